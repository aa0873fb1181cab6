"""Errors that come back at once, again and again, in a loop that goes on: each is logged once a minute."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from types import CodeType
from typing import Protocol

#: How long an error that has been logged is only counted (seconds).
SAY_AGAIN = 60.0
#: How many different errors are remembered: more than a loop can have.
_MOST = 100

Place = tuple[type[BaseException] | None, CodeType | None, int]


class ExceptionLog(Protocol):
    """What this module needs of a log."""

    def exception(self, msg: str, /, *args: object) -> None: ...


class RepeatedErrors:
    """The log of a loop. Two errors are the same if they have the same type and were raised in the same line.

    Thread: any; if two log the same error at the same moment, it may be logged twice.
    Args: `clock` returns seconds and never goes back; tests pass their own.
    """

    def __init__(self, log: ExceptionLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        #: for each error: when it was logged last, and how often it has come since
        self._seen: dict[Place, tuple[float, int]] = {}

    def exception(self, msg: str, /, *args: object) -> None:
        """Log the exception that the caller handles, with its traceback, unless it was logged within SAY_AGAIN."""
        place, now = _place(), self._clock()
        said, times = self._seen.get(place, (-math.inf, 0))
        if now - said < SAY_AGAIN:
            self._seen[place] = said, times + 1
            return
        if len(self._seen) >= _MOST:
            self._seen.clear()
        self._seen[place] = now, 0
        if times:
            self._log.exception(f"{msg} (and %d times since this was logged last)", *args, times)
        else:
            self._log.exception(msg, *args)


def _place() -> Place:
    """Return the type of the exception that is being handled, and the line that has raised it."""
    kind, _, trace = sys.exc_info()
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (kind, None, 0) if trace is None else (kind, trace.tb_frame.f_code, trace.tb_lineno)
