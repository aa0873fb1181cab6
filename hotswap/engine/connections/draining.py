"""Leaving, coming back, and ending by force: what a restart asks of the engine.

A connection leaves when it is idle. Busy ones are finished as if nothing happened and leave then, sent away by the
thread that finished them; the table of owned connections decides which thread sends one, so none is sent twice and none
is forgotten.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING

from hotswap.engine.connections.connection import HANDSHAKE, HEAD, IDLE, Connection
from hotswap.engine.transport.tls import TlsSocket
from hotswap.engine.values import Give, InFlight

if TYPE_CHECKING:
    from hotswap.engine.connections.acceptor import Acceptor
    from hotswap.engine.connections.idle import IdleConnections
    from hotswap.engine.connections.listener_polling import ListenerPolling
    from hotswap.engine.connections.table import ConnectionTable


class Leaving:
    """The engine's change of mind. Any thread may call, but no two at once.

    `take_queued` takes the connections out of the queue whose requests wait for a thread, where there is one.
    """

    def __init__(
        self,
        table: ConnectionTable,
        idle: IdleConnections,
        listeners: ListenerPolling,
        acceptor: Acceptor,
        take_queued: Callable[[], Iterable[Connection]],
    ) -> None:
        self._table = table
        self._state = table.state
        self._idle = idle
        self._listeners = listeners
        self._acceptor = acceptor
        self._take_queued = take_queued

    def leave(self, give: Give | None) -> None:
        """Stop accepting and let every connection go: to `give`, or by draining."""
        self._state.begin_leaving(give)
        # Unregistered first, then emptied: what arrives in between is accepted here, what comes later waits for other
        # processes.
        self._listeners.stop()
        self._acceptor.empty()
        self._sweep()

    def resume(self) -> None:
        """Serve again, and keep what is left."""
        self._state.end_leaving()
        now = monotonic()
        for conn in self._table.acquire_all():
            with self._table.owning(conn):
                if conn.phase == IDLE:
                    self._idle.keep(conn, now)
                else:
                    self._table.release(conn, conn.polled)
        self._listeners.start()

    def hammer(self) -> list[InFlight]:
        """End every connection now; returns the requests that were cut."""
        table = self._table
        cut = self.in_flight()
        self._state.counters.cut += len(cut)
        for conn in self._take_queued():
            table.close(conn)
        ours = set(table.acquire_all())
        for conn in list(self._state.live):
            if conn in ours:
                table.close(conn)
                continue
            try:
                # Its thread owns it: reads and writes there fail from now on, and that thread ends the connection.
                conn.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        return cut

    def in_flight(self) -> list[InFlight]:
        """The requests that were read and are not answered to the last byte."""
        requests = ((conn, conn.request) for conn in list(self._state.live))
        return [InFlight(r.method, r.uri, r.started, conn.peer) for conn, r in requests if r is not None]

    def _sweep(self) -> None:
        """Let all connections leave that the loop owns now; the others leave when their threads are done."""
        state = self._state
        batch: list[Connection] = []
        for conn in self._table.acquire_all():
            with self._table.owning(conn):
                if conn.phase > HEAD or conn.closing:
                    self._hurry(conn)
                    self._table.release_unread(conn, conn.polled)
                elif state.give is None or not conn.movable(state.limits.movable):
                    self._idle.depart(conn)
                else:
                    batch.append(conn)
        self._idle.hand_over(batch)

    def _hurry(self, conn: Connection) -> None:
        """Draining, a connection whose handshake has not even begun waits no longer than an idle one."""
        if conn.phase == HANDSHAKE and self._state.draining and not isinstance(conn.sock, TlsSocket):
            conn.deadline = min(conn.deadline, monotonic() + self._state.limits.drain_linger)
