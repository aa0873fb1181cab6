"""The one place where the main thread waits: descriptors, timers with a clock of our own, calls from other threads."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator

import pytest

from hotswap.system.main_loop import PAUSE, MainLoop
from tests.system.reused_descriptors import reused_descriptors


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
def loop(clock: Clock) -> Iterator[MainLoop]:
    made = MainLoop(clock)
    yield made
    made.close()


def test_timers_run_in_the_order_of_their_time(loop: MainLoop, clock: Clock) -> None:
    """Due ones run once, in order; the others wait."""
    ran: list[str] = []
    loop.later(2, lambda: ran.append("two"))
    loop.later(1, lambda: ran.append("one"))
    loop.later(9, lambda: ran.append("nine"))
    clock.now += 3
    loop.wait()
    assert ran == ["one", "two"]


def test_a_cancelled_timer_does_not_run(loop: MainLoop, clock: Clock) -> None:
    """Cancelling is final, may be done twice, and also from another timer that is due at the same time."""
    ran: list[str] = []
    second = loop.later(1, lambda: ran.append("second"))
    loop.later(0.5, second.cancel)
    second_again = loop.later(1, lambda: ran.append("third"))
    second_again.cancel()
    second_again.cancel()
    clock.now += 2
    loop.wait()
    assert ran == []


def test_a_readable_descriptor_calls_back(loop: MainLoop) -> None:
    """Level-triggered: as long as there is something to read; unwatch ends it."""
    read, write = os.pipe()
    seen: list[bytes] = []
    loop.watch(read, lambda: seen.append(os.read(read, 1)))
    os.write(write, b"ab")
    loop.wait()
    loop.wait()
    assert seen == [b"a", b"b"]
    loop.unwatch(read)
    loop.unwatch(read)
    os.close(read)
    os.close(write)


def test_another_thread_can_call(loop: MainLoop) -> None:
    """The call runs on the waiting thread and wakes it."""
    ran: list[str] = []
    thread = threading.Thread(target=lambda: loop.call(lambda: ran.append(threading.current_thread().name)))
    thread.start()
    while not ran:
        loop.wait()
    thread.join()
    assert ran == [threading.current_thread().name]


def test_a_call_that_calls_again_does_not_keep_the_loop(loop: MainLoop) -> None:
    """What a call asks for is done at the next turn: descriptors get theirs in between."""
    ran: list[int] = []

    def again() -> None:
        ran.append(len(ran))
        if len(ran) < 3:
            loop.call(again)

    loop.call(again)
    loop.wait()
    assert ran == [0]
    loop.wait()
    loop.wait()
    assert ran == [0, 1, 2]


def test_a_late_call_is_written_nowhere() -> None:
    """An engine thread that ends late does not know that nothing waits any more; what was opened since is not its."""
    made = MainLoop()
    made.close()
    with reused_descriptors() as written:
        made.call(lambda: None)
        assert not written()


def test_a_child_closes_what_its_parent_waits_with() -> None:
    """A forked worker lives as long as its parent, and must not have its descriptors."""
    before = os.listdir("/proc/self/fd")
    made = MainLoop()
    made.abandon()
    assert os.listdir("/proc/self/fd") == before
    made.call(lambda: None)


class Failing:
    """Callbacks that raise, and how often they did; `log` is what is called with the exception being handled."""

    def __init__(self) -> None:
        self.calls = 0
        self.logged: list[BaseException | None] = []

    def __call__(self) -> None:
        self.calls += 1
        raise ValueError(self.calls)

    def log(self) -> None:
        self.logged.append(sys.exc_info()[1])


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """One with a byte in it: reading and writing end."""
    read, write = os.pipe()
    os.write(write, b"x")
    yield read, write
    os.close(read)
    os.close(write)


def test_a_callback_that_fails_keeps_no_other_from_its_turn(
    loop: MainLoop, clock: Clock, pipe: tuple[int, int]
) -> None:
    """A descriptor before and one behind it, a call and a timer: each has its turn in the same round."""
    failing, ran = Failing(), []
    loop.watch(pipe[0], failing)
    loop.watch(other := os.dup(pipe[0]), lambda: ran.append("other"))
    loop.call(failing)
    loop.call(lambda: ran.append("call"))
    loop.later(0, failing)
    loop.later(0, lambda: ran.append("timer"))
    loop.wait(failing.log)
    assert ran == ["other", "call", "timer"]
    assert [str(error) for error in failing.logged] == ["1", "2", "3"]
    loop.unwatch(other)
    os.close(other)


def test_a_descriptor_whose_callback_fails_is_left_alone_for_a_moment(
    loop: MainLoop, clock: Clock, pipe: tuple[int, int]
) -> None:
    """It is ready all the time: without that the loop would do nothing else."""
    failing = Failing()
    loop.watch(pipe[0], failing)
    for round_ in (1, 2, 3):
        loop.call(lambda: None)
        loop.wait(failing.log)
        loop.call(lambda: None)
        loop.wait(failing.log)
        assert failing.calls == round_
        clock.now += PAUSE
        loop.wait(failing.log)


def test_one_that_is_left_alone_can_be_forgotten(loop: MainLoop, clock: Clock, pipe: tuple[int, int]) -> None:
    """Its owner closes it meanwhile; the number may be another's when the moment is over. Or watches it anew."""
    failing, ran = Failing(), []
    loop.watch(pipe[0], failing)
    loop.wait(failing.log)
    loop.unwatch(pipe[0])
    clock.now += PAUSE
    loop.wait(failing.log)
    loop.watch(pipe[0], lambda: ran.append("anew"))
    loop.wait(failing.log)
    assert (failing.calls, ran) == (1, ["anew"])


def test_one_that_its_own_callback_forgets_is_not_watched_again(
    loop: MainLoop, clock: Clock, pipe: tuple[int, int]
) -> None:
    """It has seen the end of it, and failed behind that."""
    failing = Failing()

    def last() -> None:
        loop.unwatch(pipe[0])
        failing()

    loop.watch(pipe[0], last)
    loop.wait(failing.log)
    clock.now += PAUSE
    loop.call(lambda: None)
    loop.wait(failing.log)
    assert failing.calls == 1


def test_without_a_place_to_say_it_an_exception_goes_through(loop: MainLoop, pipe: tuple[int, int]) -> None:
    """A boot is ended by it."""
    loop.watch(pipe[0], Failing())
    with pytest.raises(ValueError, match="1"):
        loop.wait()
