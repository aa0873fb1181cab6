"""Deadlines of the connections that the loop owns: keep-alive, head, body, writing, the peer's FIN.

A scan of all connections when the earliest deadline has passed, not a timer each: it costs nothing per request, and
with 10,000 idle connections half a millisecond whenever one of them expires.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hotswap.engine.connections.connection import BODY, FIN, HEAD, IDLE
from hotswap.engine.http1.error_page import Refusal

if TYPE_CHECKING:
    from hotswap.engine.connections.answer_writer import AnswerWriter
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.connections.table import ConnectionTable

_LEAST = 0.05  # seconds between two scans, however dense the deadlines are
_LATEST = 3600.0  # seconds


class Deadlines:
    """The leading thread calls `tick` when `state.next_tick` has passed.

    Each of `also` is asked then too: it is called with the time, and returns when it is to be asked again.
    """

    def __init__(self, table: ConnectionTable, writer: AnswerWriter, *also: Callable[[float], float]) -> None:
        self._table = table
        self._state = table.state
        self._writer = writer
        self._also = list(also)

    def ask_also(self, ask: Callable[[float], float]) -> None:
        """Ask this one too."""
        self._also.append(ask)

    def tick(self, now: float) -> None:
        """Expire what is due, and find out when to look again; soon, if anything of it fails."""
        state = self._state
        # Before the scan: a connection that is released during it may ask for an earlier time.
        with state.lock:
            state.next_tick = latest = now + min(_LATEST, state.limits.keepalive or _LATEST)
        soonest = now
        try:
            soonest = self._scan(now, latest)
        finally:
            with state.lock:
                state.next_tick = min(state.next_tick, max(soonest, now + _LEAST))

    def _scan(self, now: float, latest: float) -> float:
        """When to look again, at the latest."""
        table, soonest = self._table, latest
        for conn in list(table.owned.values()):
            if conn.deadline > now:
                soonest = min(soonest, conn.deadline)
            elif table.reacquire(conn):
                if conn.deadline > now:  # it was served in between
                    table.release_unread(conn, conn.polled)
                else:
                    self._expire(conn)
        return min(soonest, *(ask(now) for ask in self._also))

    def _expire(self, conn: Connection) -> None:
        """A deadline has passed. This thread owns the connection; never raises, because others are due as well."""
        with self._table.owning(conn):
            self._end(conn)

    def _end(self, conn: Connection) -> None:
        if conn.phase == HEAD:
            self._writer.refuse(conn, Refusal(408, "the request's head took too long"))
        elif conn.phase == BODY and conn.request is not None:  # else it has its answer
            self._writer.refuse(conn, Refusal(408, "the request's body stopped coming"))
        elif conn.phase in (IDLE, BODY):
            self._table.half_close(conn)
        else:
            if conn.phase == FIN:
                self._state.log.debug("%s did not close its side in time", conn.peer)
            self._table.close(conn)
