"""`loop.add_signal_handler` in a loop that is not on the main thread: the server passes on what it receives."""

from __future__ import annotations

import signal
import threading

import pytest

from hotswap.callbacks import CALLBACKS
from hotswap.engine.asgi.loop_factory import AsyncioLoop
from hotswap.engine.asgi.loop_signals import PASSED_ON
from hotswap.engine.asgi.loop_thread import LoopThread
from hotswap.system.signals import HANDLED
from tests.engine.engine_server import Log


def receive(number: int) -> None:
    """What the server's main loop does with a signal, before it acts on it."""
    for call in CALLBACKS.at_signal(number, "before"):
        call()


def test_those_that_the_server_handles_are_passed_on() -> None:
    """All of them, and no others."""
    assert frozenset(HANDLED) == PASSED_ON


def test_a_handler_is_called_in_the_loop(thread: LoopThread) -> None:
    """With its arguments, each time; the one that was added last."""
    calls: list[tuple[str, bool]] = []
    called = threading.Semaphore(0)

    def note(word: str) -> None:
        calls.append((word, thread.is_here))
        called.release()

    thread.call(thread.loop.add_signal_handler, signal.SIGTERM, note, "first")
    thread.call(thread.loop.add_signal_handler, signal.SIGTERM, note, "second")
    receive(signal.SIGTERM)
    receive(signal.SIGINT)
    receive(signal.SIGTERM)
    assert called.acquire(timeout=10)
    assert called.acquire(timeout=10)
    assert calls == [("second", True)] * 2


def test_a_handler_that_is_removed(thread: LoopThread) -> None:
    """Is called no more; whether there was one is the answer, as asyncio has it."""
    calls: list[str] = []
    thread.call(thread.loop.add_signal_handler, signal.SIGUSR1, calls.append, "x")
    assert thread.call(thread.loop.remove_signal_handler, signal.SIGUSR1)
    assert not thread.call(thread.loop.remove_signal_handler, signal.SIGUSR1)
    assert not thread.call(thread.loop.remove_signal_handler, signal.SIGUSR2)
    receive(signal.SIGUSR1)
    assert thread.call(lambda: list(calls)) == []


def test_a_loop_that_is_closed_is_told_nothing() -> None:
    """Nor after a fork, where it is never run."""
    thread = LoopThread(AsyncioLoop, Log())
    thread.start()
    thread.call(thread.loop.add_signal_handler, signal.SIGTERM, print)
    (left,) = CALLBACKS.at_signal(signal.SIGTERM, "before")
    assert thread.stop(5)
    assert CALLBACKS.at_signal(signal.SIGTERM, "before") == ()
    left()  # it was being called as the loop ended


def test_what_cannot_be_a_handler(thread: LoopThread) -> None:
    """asyncio's own errors, and a sentence for signals that no server handles."""

    async def coroutine() -> None:
        pass

    with pytest.raises(TypeError, match="coroutines cannot be used"):
        thread.loop.add_signal_handler(signal.SIGTERM, coroutine)
    with pytest.raises(ValueError, match="1000 is not a valid Signals"):
        thread.loop.add_signal_handler(1000, print)
    with pytest.raises(RuntimeError, match=r"SIGALRM cannot be passed on .* call signal.signal\(\) when the module"):
        thread.loop.add_signal_handler(signal.SIGALRM, print)
