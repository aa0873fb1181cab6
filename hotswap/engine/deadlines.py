"""Deadlines of the connections that the loop owns: keep-alive, head, body, writing, the peer's FIN.

A scan of all connections when the earliest deadline has passed, not a timer each: it costs nothing per
request, and with 10,000 idle connections half a millisecond whenever one of them expires.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hotswap.engine.connection import Connection
    from hotswap.engine.core import Core

_LEAST = 0.05  # seconds between two scans, however dense the deadlines are
_NEVER = 3600.0


class Deadlines:
    """`tick` is called by the leader when `core.next_tick` has passed."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.expire: Callable[[Connection], None]
        self.also: list[Callable[[float], float]] = []  # others that want to be asked; each returns when it does again

    def tick(self, now: float) -> None:
        """Expire what is due, and find out when to look again."""
        core = self._core
        # Before the scan: a connection that is put back during it may ask for an earlier time.
        with core.lock:
            core.next_tick = now + min(_NEVER, core.limits.keepalive or _NEVER)
        soonest = core.next_tick
        for conn in list(core.owned.values()):
            if conn.deadline > now:
                soonest = min(soonest, conn.deadline)
            elif core.take_back(conn):
                if conn.deadline > now:  # it was served in between
                    core.wait_for_request(conn, conn.polled)
                else:
                    self.expire(conn)
        for ask in self.also:
            soonest = min(soonest, ask(now))
        with core.lock:
            core.next_tick = min(core.next_tick, max(soonest, now + _LEAST))
