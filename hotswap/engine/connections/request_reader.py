"""From what a client has sent to a whole request: the head, and the body if it is small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from hotswap.engine.connections.connection import BODY, HEAD, IDLE, Connection
from hotswap.engine.connections.poller import RECV
from hotswap.engine.http1.request import Request

if TYPE_CHECKING:
    from hotswap.engine.connections.idle import IdleConnections
    from hotswap.engine.connections.table import ConnectionTable
    from hotswap.engine.http1.request import Sender

R = TypeVar("R", bound=Request)
R_co = TypeVar("R_co", bound=Request, covariant=True)


class Heads(Protocol[R_co]):
    """Reads heads: a `HeadReader`, or a `ProxiedReader`."""

    def read(self, data: bytes, sender: Sender) -> R_co | None: ...


class Bodies(Protocol[R]):
    """What is done with bodies. On the leading thread, with connections that it has acquired.

    Each method returns the request once it can be served; None: the loop has the connection, or it is closed.
    """

    def begin(self, conn: Connection, request: R) -> R | None:
        """The head has been read, and a body follows; what lies behind the head in `conn.data` is its beginning."""

    def go_on(self, conn: Connection) -> R | None:
        """More is there of a connection in the phase BODY, or it has ended."""


class RequestReader(Generic[R]):
    """Reads once from a connection that has something to say. On the leading thread."""

    def __init__(self, table: ConnectionTable, idle: IdleConnections, heads: Heads[R], bodies: Bodies[R]) -> None:
        self._table = table
        self._state = table.state
        self._idle = idle
        self._read_head = heads.read
        self._bodies = bodies

    def read(self, conn: Connection) -> R | None:
        """The next request of a connection that this thread has acquired. Raises Refusal, and then owns it still.

        None: the request is not all there, and the loop has the connection back and waits for the rest; or the
        connection has ended.
        """
        if conn.phase == BODY:
            return self._bodies.go_on(conn)
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
            return self._bodies.begin(conn, request)
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
