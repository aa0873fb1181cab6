"""The lead: the right of one thread to poll, and to run requests while it polls no more.

The leading thread runs requests itself, and cannot poll meanwhile. If such a call takes long, the lead is taken from
it and given to another thread. Whether that has happened is decided by one atomic act: the leader puts the connection
whose request it runs into a list of one element, and the thread that pops it decides. The leader pops it after the call
and goes on polling; or another thread has popped it before, and leads. Taking the lead away costs the leader nothing.
"""

from __future__ import annotations

import threading

from hotswap.engine.connections.connection import Connection


class LeadToken:
    """One thread's term as the leader; the next leader gets another token. `lost`: the term is over.

    `begin(conn)` is called by the leader before it runs a request, `regain()` after it.
    """

    __slots__ = ("_lock", "_running", "begin", "lost")

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._running: list[Connection] = []
        self.lost = False
        # list.append itself: a method around it would cost every request a call.
        self.begin = self._running.append

    def regain(self) -> bool:
        """The leader after a request: True if it still leads."""
        try:
            self._running.pop()
        except IndexError:
            # The thread that took the lead may be parking our connection right now: only then may we release it.
            with self._lock:
                return False
        return True

    def regain_after_fault(self) -> bool:
        """The same where it is not known whether a request was running."""
        self._running.clear()
        with self._lock:
            return not self.lost

    def running(self) -> Connection | None:
        """The connection whose request the leader runs; any thread may ask, and know that it may be over by now."""
        try:
            return self._running[0]
        except IndexError:
            return None

    def take(self) -> Connection:
        """Take the lead from its thread; returns what that runs. The caller holds the lock.

        Raises IndexError if another thread was quicker, or the request is over.
        """
        conn = self._running.pop()
        self.lost = True
        return conn

    def give(self) -> None:
        """The leader gives the lead away between two requests."""
        self.lost = True
