"""After serve(): a process that has retired or stopped is still there while its program goes on, and while the
interpreter waits for the program's threads, children and atexit handlers.

The program may take its time. From the moment at which its main thread has ended, SIGTERM ends the process, and so does
the deadline that leaving has; what held it is said in the log. Nearly every process has ended by itself before GRACE_S
is over: such a one keeps its exit status, whichever signals still come to it.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import threading
from types import FrameType
from typing import Any

from hotswap.log import Log
from hotswap.scoreboard import Scoreboard
from hotswap.system import held_up

#: How long a process that has come to its end may take to end before SIGTERM ends it; one that comes sooner is
#: remembered (seconds).
GRACE_S = 0.5
#: What the end of a program may take at least, also with a graceful_timeout of 0, which is about requests (seconds).
LEAST_S = 1.0
#: The exit status of a process that is ended by force.
ENDED_BY_FORCE = 1

_here: list[_Lingering] = []


def begin(board: Scoreboard | None, log: Log, limit_name: str, limit_s: float | None) -> None:
    """`board`, if there is one, is lingered on already. `limit_s` counts from the end of the main thread, None is no
    limit; `limit_name` is the setting that says it. On the main thread."""
    _here.append(_Lingering(board, log, limit_name, limit_s))


def end() -> None:
    """This process serves again, as the first generation of another server. On the main thread."""
    while _here:
        _here.pop().over()


class _Lingering:
    def __init__(self, board: Scoreboard | None, log: Log, limit_name: str, limit_s: float | None) -> None:
        self._board = board
        self._log = log
        self._limit_s = None if limit_s is None else max(limit_s, LEAST_S)
        self._limit_name = limit_name
        self._take_back = held_up.watch_the_end(self._begins, self._is_over)
        #: what SIGTERM does while the program goes on, and again when nothing is left to wait for
        self._before: Any = None
        self._told = self._armed = self._ends = False
        #: released when the main thread has ended, and when nothing is left to wait for
        self._steps = _thread.allocate_lock()
        self._steps.acquire()
        # Now, because an interpreter that ends starts no threads (Python 3.12 and later); and one that threading does
        # not know, so that it is none of the program's.
        with contextlib.suppress(RuntimeError):
            _thread.start_new_thread(self._watch, ())

    def over(self) -> None:
        """The process serves again."""
        self._take_back()
        self._is_over()
        if self._board is not None:
            self._board.close()

    # on the main thread

    def _begins(self) -> None:
        with contextlib.suppress(ValueError):  # threading was imported on another thread than the main one
            self._before = signal.signal(signal.SIGTERM, self._on_sigterm)
        with contextlib.suppress(Exception):
            if self._board is not None:
                self._board.held_by(held_up.what_is_waited_for())
        self._steps.release()

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        self._told = True
        if self._armed:
            self._end_by_sigterm()

    def _is_over(self) -> None:
        self._ends = True
        with contextlib.suppress(RuntimeError):  # the thread has not come to its first step yet
            self._steps.release()
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    # on a thread of its own

    def _watch(self) -> None:
        self._steps.acquire()
        if self._ends or self._steps.acquire(timeout=GRACE_S):
            return
        # In this order: a SIGTERM is remembered, or acted on by its handler, or by the kernel.
        self._armed = True
        held_up.let_it_end_us(signal.SIGTERM)
        if self._told:
            self._end_by_sigterm()
        if self._limit_s is not None:
            left_s = min(self._limit_s - GRACE_S, threading.TIMEOUT_MAX)
            if not self._steps.acquire(timeout=left_s):
                self._end_by_force(self._limit_s)

    def _end_by_sigterm(self) -> None:
        held_up.let_it_end_us(signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    def _end_by_force(self, limit_s: float) -> None:
        try:
            self._log.error(
                "%s (%g s) is over since the program has come to its end, and %s still held this process: ended by "
                "force",
                self._limit_name,
                limit_s,
                held_up.what_is_waited_for(),
            )
        finally:
            os._exit(ENDED_BY_FORCE)
