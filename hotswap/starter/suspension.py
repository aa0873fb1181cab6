"""Suspends a starter and what it has started, as Ctrl-Z asks for, in an order that loses no SIGCONT."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Iterable
from typing import Protocol

from hotswap.system.main_loop import MainLoop
from hotswap.system.signals import SignalQueue
from hotswap.system.stopped_process import is_stopped

#: How often it is asked whether the processes have suspended themselves (seconds); after so many times SIGTSTP is
#: passed on, and after so many the starter waits no longer.
_LOOK = 0.01
_PASSES_ON_AFTER, _GIVES_UP_AFTER = 30, 130


class Suspendable(Protocol):
    """A process that the starter has started."""

    @property
    def pid(self) -> int: ...

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""


class Suspension:
    """`queue` is the starter's, `processes()` those that are there. On the main thread."""

    def __init__(self, loop: MainLoop, queue: SignalQueue, processes: Callable[[], Iterable[Suspendable]]) -> None:
        self._loop = loop
        self._queue = queue
        self._processes = processes

    def begin(self, looks: int = 0) -> None:
        """When this process stops, the shell shows its prompt. From then on a process that does not stand yet could
        miss the SIGCONT of fg(1), and stop after it for good. One that the terminal's SIGTSTP has not reached gets it
        from here, later: with two of them one could come to its turn after SIGCONT."""
        moving = [each for each in self._processes() if not is_stopped(each.pid)]
        if looks == _PASSES_ON_AFTER:
            for each in moving:
                each.signal(signal.SIGTSTP)
        if moving and looks < _GIVES_UP_AFTER:
            self._loop.later(_LOOK, functools.partial(self.begin, looks + 1))
            return
        self._queue.suspend()
        for each in self._processes():
            each.signal(signal.SIGCONT)
