"""Callbacks for each step of a generation's life, and the event that long loops watch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from hotswap.errors import UsageError

Callback = TypeVar("Callback", bound=Callable[..., Any])
When = Literal["before", "after"]

#: Step to what its callbacks are called with. The order is that of a life.
STEPS: dict[str, str] = {
    "starting": "server; before anything is bound",
    "begin": "address; bound and about to accept (endless's BeforeBegin)",
    "ready": "server; this generation accepts and answers",
    "restarting": "server; a successor is about to be started",
    "restart_failed": "server, text; the successor failed, this generation serves on",
    "retiring": "server; a successor serves, this generation leaves",
    "draining": "server; this server stops",
    "resumed": "server; the successor was lost, this generation serves again",
    "hammer": "server, requests; what still runs is about to be cut",
    "stopped": "server, how; everything is over, serve() is about to return how: 'stopped' or 'retired'",
}

#: Set as soon as this process leaves, for whatever reason; cleared if it takes over again. Long loops, background
#: workers and websocket handlers look at it, or wait for it instead of sleeping.
draining = threading.Event()


class Callbacks:
    """Who wants to be called when. Callbacks run on the main thread, in the order in which they were added."""

    def __init__(self) -> None:
        self._steps: dict[str, list[Callable[..., Any]]] = {name: [] for name in STEPS}
        self._signals: dict[tuple[int, str], list[Callable[..., Any]]] = {}

    def add(self, step: str, callback: Callback) -> Callback:
        if step not in self._steps:
            raise UsageError(f"there is no step {step!r} to call back at: it is one of {', '.join(STEPS)}")
        _must_be_callable(callback)
        self._steps[step].append(callback)
        return callback

    def add_signal(self, number: int, when: When, callback: Callback) -> Callback:
        if when not in ("before", "after"):
            raise UsageError(f"a signal's callback runs 'before' or 'after' it is acted on, not {when!r}")
        _must_be_callable(callback)
        self._signals.setdefault((signal.Signals(number), when), []).append(callback)
        return callback

    def at(self, step: str) -> tuple[Callable[..., Any], ...]:
        return tuple(self._steps[step])

    def at_signal(self, number: int, when: When) -> tuple[Callable[..., Any], ...]:
        return tuple(self._signals.get((number, when), ()))


def _must_be_callable(callback: object) -> None:
    if not callable(callback):
        raise UsageError(f"a callback must be callable, and {callback!r} is not")


CALLBACKS = Callbacks()


def on(step: str) -> Callable[[Callback], Callback]:
    """Decorator: call the function at a step of this generation's life.

    The steps and what a callback is given: see `STEPS`. Before ready an exception in a callback fails the boot; later
    it is logged. Raises UsageError for a step there is not.
    """
    if step not in STEPS:
        raise UsageError(f"there is no step {step!r} to call back at: it is one of {', '.join(STEPS)}")
    return lambda callback: CALLBACKS.add(step, callback)


def on_signal(number: int, when: When = "after") -> Callable[[Callback], Callback]:
    """Decorator: call the function with the signal's number before or after the server has acted on it.

    As endless's RegisterSignalHook(PRE_SIGNAL | POST_SIGNAL, …), for the signals the server handles. The callback runs
    on the main thread, not in the signal handler, so it may do anything that does not take long.
    """
    return lambda callback: CALLBACKS.add_signal(number, when, callback)
