"""How many threads may wait for request bodies at once: never so many that slow clients could take all of them."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hotswap.engine.connection import Connection


class Uploads:
    """A gate for requests whose body is read by the application's thread."""

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
