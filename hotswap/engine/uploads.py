"""Bounds of what request bodies may take of the whole engine: threads that wait for them, and memory."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from hotswap.engine.body import Collector

if TYPE_CHECKING:
    from hotswap.engine.connection import Connection
    from hotswap.engine.core import Core

_COUNT_AGAIN = 0.1  # seconds between two counts while there is too much


class Uploads:
    """A gate for requests whose body is read by the application's thread: never so many that slow clients could take
    all threads.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._lock = threading.Lock()
        self.waiting: deque[Connection] = deque()

    def enter(self, conn: Connection) -> bool:
        """True if it may run now; else it waits here until another one leaves."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            self.waiting.append(conn)
            return False

    def leave(self) -> Connection | None:
        """One has ended; returns the one that may run in its place."""
        with self._lock:
            if self.waiting:
                return self.waiting.popleft()
            self._free += 1
            return None


class Held:
    """How many bytes of request bodies wait in memory for the rest of theirs. Used by the leading thread alone.

    Nothing has to be done where a body is thrown away: they are counted anew when they seem to be too much.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._limit = core.limits.bodies
        self._bytes = 0
        self._counted = 0.0

    def add(self, collector: Collector, size: int) -> None:
        collector.held += size
        self._bytes += size

    def release(self, collector: Collector) -> None:
        """It is complete: the application has it from here on."""
        self._bytes -= collector.held

    def full(self, now: float) -> bool:
        """True if no more should be read into memory."""
        if self._bytes <= self._limit:
            return False
        if now - self._counted >= _COUNT_AGAIN:
            self._counted = now
            works = [conn.work for conn in list(self._core.live)]
            self._bytes = sum(work.held for work in works if isinstance(work, Collector))
        return self._bytes > self._limit
