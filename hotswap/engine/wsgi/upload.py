"""Request bodies on their way into memory, collected by the loop, so that a slow upload holds no thread.

A body that is too large, or that the client sends only when asked to, is left to the application's thread, which reads
it from the connection: `WsgiRequest.upload`.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, cast

from hotswap.engine.connections.connection import BODY, Connection
from hotswap.engine.http1.body import Collector, WholeCollector
from hotswap.engine.transport.tls import TlsSocket
from hotswap.engine.wsgi.upload_limits import BodyMemory

if TYPE_CHECKING:
    from hotswap.engine.connections.table import ConnectionTable
    from hotswap.engine.wsgi.wsgi_request import WsgiRequest


class Uploads:
    """On the leading thread, with connections that it has acquired. Each method returns the request once it can be
    served; None: the loop has the connection, and waits for the rest, or it is closed.
    """

    def __init__(self, table: ConnectionTable) -> None:
        self._table = table
        self._state = table.state
        self._memory = BodyMemory(table.state)

    def begin(self, conn: Connection, request: WsgiRequest) -> WsgiRequest | None:
        """The head has been read; what lies behind it in `conn.data` is the body's beginning."""
        if request.expect or request.length > self._state.limits.body_buffer:
            request.upload = True
            return request
        whole = WholeCollector.is_for(request.length) and not self._memory.full(self._state.now)
        conn.work = collector = WholeCollector(request.length) if whole else Collector(request.length)
        data, conn.data = conn.data, b""
        return self._taken(conn, request, collector.feed(data))

    def go_on(self, conn: Connection) -> WsgiRequest | None:
        """More of the body is there, or the connection has ended."""
        collector: Collector = conn.work
        request = conn.request
        assert request is not None
        if self._memory.full(self._state.now):
            return self._spill(request, collector)
        before = collector.size
        try:
            rest = _receive(conn, collector)
        except BlockingIOError:
            self._table.release(conn, conn.waits_for())
            return None
        except OSError:
            rest = None
        if rest is None and collector.size == before:
            self._table.close(conn)
            return None
        return self._taken(conn, request, rest)

    def _taken(self, conn: Connection, request: WsgiRequest, rest: bytes | None) -> WsgiRequest | None:
        """A piece of it has come; `rest` lies behind its end."""
        collector: Collector = conn.work
        if rest is not None:
            conn.data = rest
            self._memory.release(collector)
            return request
        self._memory.add(collector)
        limits = self._state.limits
        if collector.size > limits.body_buffer:
            return self._spill(request, collector)
        conn.phase = BODY
        conn.deadline = self._state.now + limits.body_timeout
        self._table.release(conn)
        return None

    def _spill(self, request: WsgiRequest, collector: Collector) -> WsgiRequest:
        """A body that has become too much for memory."""
        collector.streams = True
        request.upload = True
        return request


def _receive(conn: Connection, collector: Collector) -> bytes | None:
    """Receive once; returns what lies behind the body once it is complete, None before. Raises OSError."""
    if isinstance(collector, WholeCollector) and not isinstance(conn.sock, TlsSocket):
        # TLS may have decrypted more than the body, which polling would not see: only its `recv` takes all there is.
        collector.receive(cast(socket.socket, conn.sock))
        return collector.feed(b"")
    return collector.feed(conn.sock.recv(collector.wanted()))
