"""The one place where the main thread waits: descriptors, timers with a clock of our own, calls from other threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from hotswap.system.waiter import Waiter


class Clock:
    """Time that goes on when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def waiter(clock: Clock) -> Iterator[Waiter]:
    made = Waiter(clock)
    yield made
    made.close()


def test_timers_run_in_the_order_of_their_time(waiter: Waiter, clock: Clock) -> None:
    """Due ones run once, in order; the others wait."""
    ran: list[str] = []
    waiter.later(2, lambda: ran.append("two"))
    waiter.later(1, lambda: ran.append("one"))
    waiter.later(9, lambda: ran.append("nine"))
    clock.now += 3
    waiter.wait()
    assert ran == ["one", "two"]


def test_a_cancelled_timer_does_not_run(waiter: Waiter, clock: Clock) -> None:
    """Cancelling is final, may be done twice, and also from another timer that is due at the same time."""
    ran: list[str] = []
    second = waiter.later(1, lambda: ran.append("second"))
    waiter.later(0.5, second.cancel)
    second_again = waiter.later(1, lambda: ran.append("third"))
    second_again.cancel()
    second_again.cancel()
    clock.now += 2
    waiter.wait()
    assert ran == []


def test_a_readable_descriptor_calls_back(waiter: Waiter) -> None:
    """Level-triggered: as long as there is something to read; unwatch ends it."""
    read, write = os.pipe()
    seen: list[bytes] = []
    waiter.watch(read, lambda: seen.append(os.read(read, 1)))
    os.write(write, b"ab")
    waiter.wait()
    waiter.wait()
    assert seen == [b"a", b"b"]
    waiter.unwatch(read)
    waiter.unwatch(read)
    os.close(read)
    os.close(write)


def test_another_thread_can_call(waiter: Waiter) -> None:
    """The call runs on the waiting thread and wakes it."""
    ran: list[str] = []
    thread = threading.Thread(target=lambda: waiter.call(lambda: ran.append(threading.current_thread().name)))
    thread.start()
    while not ran:
        waiter.wait()
    thread.join()
    assert ran == [threading.current_thread().name]


def test_a_call_that_calls_again_does_not_keep_the_loop(waiter: Waiter) -> None:
    """What a call asks for is done at the next turn: descriptors get theirs in between."""
    ran: list[int] = []

    def again() -> None:
        ran.append(len(ran))
        if len(ran) < 3:
            waiter.call(again)

    waiter.call(again)
    waiter.wait()
    assert ran == [0]
    waiter.wait()
    waiter.wait()
    assert ran == [0, 1, 2]
