"""Bounds of what request bodies may take of the whole engine: threads that wait for them, and memory."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from hotswap.engine.http1.body import Collector

if TYPE_CHECKING:
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.connections.state import EngineState

_COUNT_AGAIN = 0.1  # seconds between two counts while there is too much


class UploadGate:
    """Lets so many requests at once read their bodies in threads, never so many that slow clients could take all
    threads. Any thread may call.
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


class BodyMemory:
    """How many bytes of request bodies wait in memory for the rest of theirs. Used by the leading thread alone.

    Where a body is thrown away nothing has to be done: all are counted anew when they seem to be too much.
    """

    def __init__(self, state: EngineState) -> None:
        self._live = state.live
        self._limit = state.limits.bodies
        self._bytes = 0
        self._counted = 0.0

    def add(self, collector: Collector) -> None:
        """A collector has taken more memory."""
        more = collector.footprint - collector.held
        collector.held += more
        self._bytes += more

    def release(self, collector: Collector) -> None:
        """A body is complete: the application has it from here on."""
        self._bytes -= collector.held

    def full(self, now: float) -> bool:
        """True if no more should be read into memory."""
        if self._bytes <= self._limit:
            return False
        if now - self._counted >= _COUNT_AGAIN:
            self._counted = now
            works = [conn.work for conn in list(self._live)]
            self._bytes = sum(work.held for work in works if isinstance(work, Collector))
        return self._bytes > self._limit
