"""Request bodies: collected by the loop while they are small, read by the application's thread when they
are not.

Decoding is gunicorn's (`gunicorn.http.body`), so limits and chunk rules are theirs. Here is only where the
bytes come from, and the question the loop has to ask first: is all of it there?
"""

from __future__ import annotations

import re
import select
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.unreader import Unreader

from hotswap.engine.refusal import BodyTimeout, Disconnected

if TYPE_CHECKING:
    from hotswap.engine.model import Sock

_HEX = re.compile(rb"[0-9A-Fa-f]+")
_TOO_LARGE = 1 << 63  # no body is: such a size is an attempt at an overflow somewhere
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_PIECE = 8192  # ChunkedReader copies what is left of a piece for every chunk: small pieces keep tiny chunks affordable
_MAX_RECV = 1 << 18
_MAX_SIZE_LINE = 16384  # any longer is beyond gunicorn's own limit: let it say so


class ChunkScan:
    """Finds the end of a chunked body without decoding it. What looks wrong it calls the end: the decoder judges."""

    __slots__ = ("_line", "_skip", "_trailer")

    def __init__(self) -> None:
        self._line = b""
        self._skip = 0
        self._trailer = False

    def feed(self, data: bytes) -> int:
        """The offset in `data` just behind the body, or -1 if it goes on after `data`."""
        position, end = 0, len(data)
        while position < end:
            if self._skip:
                step = min(self._skip, end - position)
                self._skip -= step
                position += step
                continue
            newline = data.find(b"\n", position)
            if newline < 0:
                self._line += data[position:]
                return end if len(self._line) > _MAX_SIZE_LINE else -1
            line, self._line = self._line + data[position : newline + 1], b""
            position = newline + 1
            if self._is_last(line):
                return position
        return -1

    def _is_last(self, line: bytes) -> bool:
        if self._trailer:
            return line == b"\r\n"
        digits = line.split(b";", 1)[0].strip()
        if not _HEX.fullmatch(digits):  # int() alone would take "+5", "0x5" and "5_0"
            return True
        size = int(digits, 16)
        if size >= _TOO_LARGE:
            return True
        self._trailer = size == 0
        self._skip = size + 2 if size else 0
        return False


class Collector:
    """A body on its way into memory. `scan` is None when the Content-Length says where it ends."""

    __slots__ = ("_length", "held", "parts", "scan", "size", "streams")

    def __init__(self, length: int) -> None:
        self.streams = False  # it has become too large: the rest is read by the application's thread
        self._length = length
        self.scan = ChunkScan() if length < 0 else None
        self.parts: list[bytes] = []
        self.size = 0
        self.held = 0  # what `Held` counts of it

    def feed(self, data: bytes) -> bytes | None:
        """Take `data`; what lies behind the body once it is complete, None before."""
        if self.scan is None:
            end = self._length - self.size
            complete = len(data) >= end
        else:
            end = self.scan.feed(data)
            complete = end >= 0
        body, rest = (data[:end], data[end:]) if complete else (data, b"")
        self.parts.append(body)
        self.size += len(body)
        return rest if complete else None

    def wanted(self) -> int:
        """How many bytes to ask the socket for."""
        if self.scan is not None:
            return _MAX_RECV
        return min(max(self._length - self.size, 4096), _MAX_RECV)

    def raw(self) -> bytes:
        return b"".join(self.parts)


class Pieces(Unreader):  # type: ignore[misc]
    """Bytes in memory for gunicorn's readers."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        self._at = 0

    def chunk(self, size_hint: int | None = None) -> bytes:
        at = self._at
        self._at = at + max(size_hint or 0, _PIECE)
        return self._data[at : self._at]


def decode_chunked(raw: bytes, trailers: Any) -> bytes:
    """The content of a complete chunked body. Raises gunicorn's ParseException or NoMoreData."""
    content = Body(ChunkedReader(trailers, Pieces(raw))).read()
    assert isinstance(content, bytes)
    return content


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


def send_all(
    sock: Sock, data: bytes | memoryview, timeout: float, waiting: Callable[[], object] | None = None
) -> None:
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
