"""Connections on the move while the engine serves: those that arrive, and those that it gives away for others to serve.

A crowded process gives some away so that processes with fewer connections serve them.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import TYPE_CHECKING

from hotswap.engine.connections.connection import IDLE, Connection, Site
from hotswap.engine.http1.proxy_protocol import from_text
from hotswap.engine.values import Give, Moved, Peer

if TYPE_CHECKING:
    from hotswap.engine.connections.idle import IdleConnections
    from hotswap.engine.connections.offer import Offers
    from hotswap.engine.connections.table import ConnectionTable


class Transfer:
    """Any thread may call. `welcome` gets a connection that was accepted elsewhere in this process."""

    def __init__(
        self,
        table: ConnectionTable,
        idle: IdleConnections,
        offers: Offers,
        sites: Mapping[str, Site],
        welcome: Callable[[Connection], None],
    ) -> None:
        self._table = table
        self._state = table.state
        self._idle = idle
        self._offers = offers
        self._sites = sites
        self._welcome = welcome

    # arriving

    def adopt(self, arrivals: Iterable[Moved]) -> None:
        """Take over connections of another process; whole requests among their bytes are served at once."""
        for moved in arrivals:
            conn = self._connection(moved)
            if conn is None:
                with contextlib.suppress(OSError):
                    moved.sock.close()
            elif moved.fresh:
                self._welcome(conn)
            else:
                with self._table.owning(conn):
                    self._adopt(conn)

    def _connection(self, moved: Moved) -> Connection | None:
        """The connection that has arrived; None, and the log says why, if it cannot be served."""
        site, log = self._sites.get(moved.key), self._state.log
        if site is None:
            log.warning("a connection for %s was handed over, which is not served here: closed", moved.key)
            return None
        try:
            moved.sock.setblocking(False)
            conn = Connection(moved.sock, site, moved.peer or _peer(moved.sock))
            conn.data, conn.proxy = moved.data, from_text(moved.proxy)
        except OSError as error:
            log.warning("a connection was handed over that is none (%s): closed", error.strerror)
            return None
        except ValueError:
            # Without it the application would take the proxy for the client.
            log.warning("what a proxy said of a connection cannot be read (%.200r): closed", moved.proxy)
            return None
        return conn

    def _adopt(self, conn: Connection) -> None:
        state = self._state
        conn.adopted = True
        with state.lock:
            state.adopted += 1
            state.counters.adopted += 1
        self._table.add(conn)
        self._idle.keep(conn, monotonic(), state.limits.keepalive or state.limits.head_timeout)

    # going

    def shed(self, count: int, give: Give) -> None:
        """Offer up to `count` idle connections to `give`; those that it does not take are served on."""
        self._offers.offer(self._acquire_idle(count), give, lambda conn: self._idle.keep(conn, monotonic()))

    def _acquire_idle(self, count: int) -> list[Connection]:
        """Acquire so many connections that wait for a request and have nothing of it yet."""
        table, found = self._table, list[Connection]()
        for fd, conn in list(table.owned.items()):
            if len(found) >= count:
                break
            if conn.phase != IDLE or conn.data or conn.closing or not conn.movable(self._state.limits.movable):
                continue
            acquired = table.acquire(fd)
            if acquired is conn and conn.phase == IDLE and not conn.data:
                found.append(conn)
            elif acquired is not None:  # it has begun a request meanwhile, or another connection has got its number
                table.release_unread(acquired, acquired.polled)
        return found


def _peer(sock: socket.socket) -> Peer:
    try:
        peer = sock.getpeername()
    except OSError:  # it has gone meanwhile: the first read will say so
        return ""
    return peer if isinstance(peer, tuple) else ""
