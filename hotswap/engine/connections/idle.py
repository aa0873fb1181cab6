"""What becomes of a connection between two requests: it waits for the next one, or it leaves."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from hotswap.engine.connections.connection import HEAD, IDLE, Connection
from hotswap.engine.connections.poller import READ

if TYPE_CHECKING:
    from hotswap.engine.connections.offer import Offers
    from hotswap.engine.connections.table import ConnectionTable


class IdleConnections:
    """Called with connections that the calling thread owns, and owns no longer afterwards. Any thread may call."""

    def __init__(self, table: ConnectionTable, offers: Offers) -> None:
        self._table = table
        self._offers = offers
        self._state = table.state
        self._owned, self._parked = table.owned, table.parked
        self._keepalive = table.state.limits.keepalive

    def welcome(self, conn: Connection) -> None:
        """A new plain connection: its first request has as long as a head may take."""
        self._table.add(conn)
        try:
            self.keep(conn, monotonic(), self._state.limits.head_timeout)
        except Exception:  # noqa: BLE001  as in ConnectionTable.owning(), which would cost more than the rest of it
            self._table.close_after_fault(conn)

    def keep(self, conn: Connection, now: float, patience: float = 0.0) -> None:
        """A connection stays open: wait for its next request, or let it leave.

        `patience` is how many seconds to wait for it, if not as long as between any two requests.
        """
        conn.request = None
        conn.work = None
        conn.phase = IDLE
        conn.deadline = now + (patience or self._keepalive)
        fd, state = conn.fd, self._state
        if conn.sock.fileno() != fd:
            # The application has closed it. The number may be another connection's, which must be found under it.
            self._table.close(conn)
            return
        if state.leaving:
            self.depart(conn)
            return
        usual = fd not in self._parked and conn.polled == READ and not conn.data
        if usual and conn.deadline >= state.next_tick and not state.stopped:
            self._owned[fd] = conn  # what release() comes to after nearly every request
            if state.stopped:  # by another thread
                self._table.drop_late(conn)  # type: ignore[unreachable]
        else:
            self._table.release_unread(conn)
        # leave() may have swept between the question and the act; then it has not seen this one.
        if state.leaving:  # by another thread
            self.reclaim(conn)  # type: ignore[unreachable]

    def wait_for_more(self, conn: Connection, events: int = READ) -> None:
        """Nothing of a request is there, or a part of its head: the loop waits for the rest."""
        self._table.release(conn, events)
        if self._state.leaving and not conn.closing:  # as in keep()
            self.reclaim(conn)

    def reclaim(self, conn: Connection) -> None:
        """Let a connection leave that was released a moment ago, unless another thread has acquired it meanwhile."""
        if not self._table.reacquire(conn):
            return
        if conn.phase > HEAD:  # another thread had it, for a whole request: it leaves when that is done
            self._table.release(conn, conn.polled)
        else:
            self.depart(conn)

    def depart(self, conn: Connection) -> None:
        """A connection is idle while the engine leaves: it is handed over, or closed after a moment."""
        state = self._state
        if state.give is None or conn.closing or conn.tls:
            self._linger(conn)
        elif conn.movable(state.limits.movable):
            self.hand_over([conn])
        else:
            self._table.release_unread(conn)  # it has whole requests in plenty: they are served first
        if conn.request is None:
            state.changed()

    def hand_over(self, conns: list[Connection]) -> None:
        """Offer these; those that are not taken drain."""
        self._offers.offer(conns, self._state.give, self._linger)

    def _linger(self, conn: Connection) -> None:
        """Wait a moment for the request that may be on the wire; its answer is the last."""
        state, give = self._state, self._state.give
        conn.closing = True
        # One that only its keys keep here has all of its keep-alive time: no operator waits for this process to end.
        if conn.phase == IDLE and not (conn.tls and give is not None):
            conn.deadline = monotonic() + state.limits.drain_linger
        self._table.release_unread(conn)
        # leave() or resume() may have swept before it was there to be found.
        if (state.give is not give or not state.leaving) and self._table.reacquire(conn):
            conn.closing = False
            self.keep(conn, monotonic())
