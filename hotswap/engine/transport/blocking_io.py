"""Reading and writing a client's non-blocking socket in a thread that may wait: request bodies that do not fit into
memory, and answers that the client takes slowly.

Decoding is gunicorn's (`gunicorn.http.body`); here is where its bytes come from, with a deadline for each wait.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.unreader import Unreader

if TYPE_CHECKING:
    from hotswap.engine.base import Sock

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_PIECE = 8192  # bytes: ChunkedReader copies what is left of a piece for every chunk, so tiny chunks need small pieces
_MAX_RECV = 1 << 18  # bytes


class Disconnected(ConnectionError):
    """The client went away or stalled past its deadline; raised only by the engine's own reads and writes."""


class BodyTimeout(Disconnected):
    """The client stopped sending its request body."""


class Source(Unreader):  # type: ignore[misc]
    """A client's socket for gunicorn's readers: with a deadline, and "100 Continue" when the application
    first reads.
    """

    def __init__(self, sock: Sock, received: bytes, timeout: float, *, expect: bool) -> None:
        super().__init__()
        self._sock = sock
        self._timeout = timeout
        self.expect = expect and not received
        if received:
            self.unread(received)

    def chunk(self, size_hint: int | None = None) -> bytes:
        if self.expect:
            self.expect = False
            send_all(self._sock, _CONTINUE, self._timeout)
        data = receive(self._sock, min(max(size_hint or 0, _PIECE), _MAX_RECV), self._timeout)
        if not data:
            raise Disconnected("the client went away before its request body was complete")
        return data

    def no_more_waiting(self) -> None:
        """From here on only what has arrived is read."""
        self._timeout = 0.0


class Stream:
    """A large or expected body: `file` is the application's `wsgi.input`."""

    __slots__ = ("_reader", "_source", "file")

    def __init__(self, source: Source, length: int, trailers: Any) -> None:
        self._source = source
        self._reader = LengthReader(source, length) if length >= 0 else ChunkedReader(trailers, source)
        self.file = Body(self._reader)

    def complete(self) -> bool:
        """True when every byte of the body has been read from the connection."""
        if self.file.failed:
            return False
        if isinstance(self._reader, LengthReader):
            return bool(self._reader.length == 0)
        return self._reader.parser is None

    def settle(self, bound: int) -> bool:
        """Before an answer's head: throw away what is left if it is small and here. False: the connection
        must close.
        """
        source, reader = self._source, self._reader
        if self.complete():
            return True
        if source.expect or (isinstance(reader, LengthReader) and reader.length > bound):
            source.expect = False  # the final answer is on its way: 100 would come too late
            return False
        source.no_more_waiting()
        try:
            self.file.read(bound)
            self.file.read(1)  # the last chunk's size line and the trailers are read only when more is asked for
        except Exception:  # noqa: BLE001  not there yet, gone or malformed: in any case it is not settled
            return False
        return self.complete()

    def rest(self) -> bytes:
        """Bytes read from the connection that lie behind the body."""
        data = self._source.take_buffered()
        assert isinstance(data, bytes)
        return data


def _wait(sock: Sock, event: int, timeout: float) -> bool:
    poll = select.poll()
    poll.register(sock.fileno(), getattr(sock, "wants", 0) or event)  # TLS may have to read in order to write
    return bool(poll.poll(timeout * 1000))


def receive(sock: Sock, size: int, timeout: float) -> bytes:
    """recv with a deadline on a non-blocking socket. Raises Disconnected, BodyTimeout."""
    while True:
        try:
            return sock.recv(size)
        except BlockingIOError:
            if not _wait(sock, select.POLLIN, timeout):
                raise BodyTimeout("the client stopped sending its request body") from None
        except OSError as error:
            raise Disconnected(str(error)) from error


def send_all(sock: Sock, data: bytes | memoryview, timeout: float, waiting: Callable[[], object] | None = None) -> None:
    """Send everything; `timeout` seconds without progress is a Disconnected. `waiting` is called before the
    first wait.
    """
    view = memoryview(data)
    while view:
        try:
            view = view[sock.send(view) :]
        except BlockingIOError:
            if waiting is not None:
                waiting()
                waiting = None
            if not _wait(sock, select.POLLOUT, timeout):
                raise Disconnected("the client stopped reading its answer") from None
        except OSError as error:
            raise Disconnected(str(error)) from error
