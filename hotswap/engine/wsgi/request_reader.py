"""From what a client has sent to a whole request: the head, and the body if it is small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hotswap.engine.connections.connection import BODY, HEAD, IDLE, Connection
from hotswap.engine.connections.poller import RECV
from hotswap.engine.wsgi.upload import Uploads

if TYPE_CHECKING:
    from hotswap.engine.connections.idle import IdleConnections
    from hotswap.engine.connections.table import ConnectionTable
    from hotswap.engine.http1.proxy_protocol import ProxiedReader
    from hotswap.engine.wsgi.environ_reader import EnvironReader
    from hotswap.engine.wsgi.wsgi_request import WsgiRequest


class RequestReader:
    """Reads once from a connection that has something to say. On the leading thread."""

    def __init__(
        self, table: ConnectionTable, idle: IdleConnections, heads: EnvironReader | ProxiedReader[WsgiRequest]
    ) -> None:
        self._table = table
        self._state = table.state
        self._idle = idle
        self._read_head = heads.read
        self._uploads = Uploads(table)

    def read(self, conn: Connection) -> WsgiRequest | None:
        """The next request of a connection that this thread has acquired. Raises Refusal, and then owns it still.

        None: the request is not all there, and the loop has the connection back and waits for the rest; or the
        connection has ended.
        """
        if conn.phase == BODY:
            return self._uploads.go_on(conn)
        if conn.data and conn.phase == IDLE:
            # Bytes that were not looked at yet go first: reading on would let a pipelining client fill the memory, and
            # meet the end of the connection before the requests that came before it.
            data = conn.data
        else:
            io = self._state.gil_held_io
            try:
                data = conn.sock.recv(RECV) if io is None else io.recv(conn.sock)
            except OSError as error:
                self._nothing(conn, error)
                return None
            if not data:
                self._nothing(conn)
                return None
            if conn.data:
                data = conn.data + data
        request = self._read_head(data, conn)
        if request is None:
            self._wait_for_head(conn, data)
            return None
        conn.data = data[request.consumed :]
        conn.request = request
        conn.phase = IDLE
        request.started = self._state.now
        if request.length or request.expect:
            return self._uploads.begin(conn, request)
        return request

    def _nothing(self, conn: Connection, error: OSError | None = None) -> None:
        """There is nothing to read, for now or at all."""
        if isinstance(error, BlockingIOError):
            self._idle.wait_for_more(conn, conn.waits_for())
        else:
            # Whole requests before a half-close have been answered: they were served before the end was read.
            self._table.close(conn)

    def _wait_for_head(self, conn: Connection, data: bytes) -> None:
        conn.data = data
        if conn.phase == IDLE:
            # From its first byte: a client that sends one byte at a time gains nothing.
            conn.phase = HEAD
            conn.deadline = self._state.now + self._state.limits.head_timeout
        self._idle.wait_for_more(conn)
