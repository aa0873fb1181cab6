"""What is left of a request's body behind its answer: read and thrown away, if it is little."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from hotswap.engine.connections.connection import BODY
from hotswap.engine.connections.poller import RECV

if TYPE_CHECKING:
    from hotswap.engine.asgi.asgi_request import AsgiRequest
    from hotswap.engine.asgi.request_body import RequestBody
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.connections.idle import IdleConnections
    from hotswap.engine.connections.table import ConnectionTable


class UnreadBodies:
    """`Bodies` of a `RequestReader` whose requests read their bodies themselves."""

    def __init__(self, table: ConnectionTable, idle: IdleConnections) -> None:
        self._table = table
        self._idle = idle
        self._limits = table.state.limits

    def discard(self, conn: Connection, body: RequestBody) -> None:
        """Read the rest of `body`, and then the next request. The caller owned the connection."""
        conn.request = None
        conn.work = body
        conn.phase = BODY
        conn.deadline = monotonic() + self._limits.body_timeout
        self._table.release(conn)

    def begin(self, conn: Connection, request: AsgiRequest) -> AsgiRequest | None:
        """The application's call reads it."""
        return request

    def go_on(self, conn: Connection) -> AsgiRequest | None:
        """More of what nobody wants."""
        body: RequestBody = conn.work
        try:
            data = conn.sock.recv(RECV)
        except BlockingIOError:
            self._table.release(conn, conn.waits_for())
            return None
        except OSError:
            data = b""
        if not data:
            self._table.close(conn)
            return None
        rest = body.feed(data)
        body.take()
        if rest is not None:
            conn.data = rest
            self._idle.keep(conn, monotonic())
        else:
            self._table.release(conn)
        return None
