"""Request bodies in memory: where one ends, its pieces until then, and the content of a chunked one.

Decoding is gunicorn's (`gunicorn.http.body`), so limits and chunk rules are gunicorn's. Bodies that are too large for
memory are read by the application's thread: `engine.transport.blocking_io`.
"""

from __future__ import annotations

import re
import socket
from io import BytesIO
from typing import Any

from gunicorn.http.body import Body, ChunkedReader
from gunicorn.http.unreader import Unreader

_HEX = re.compile(rb"[0-9A-Fa-f]+")
_TOO_LARGE = 1 << 63  # no body is: such a size is an attempt at an overflow somewhere
_PIECE = 8192  # ChunkedReader copies what is left of a piece for every chunk: small pieces keep tiny chunks affordable
_MAX_RECV = 1 << 18
_WHOLE_FROM = 1 << 16  # bytes: a body of this length or more is not put together from pieces
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

    @property
    def footprint(self) -> int:
        """How many bytes of memory it takes."""
        return self.size

    def wanted(self) -> int:
        """How many bytes to ask the socket for."""
        if self.scan is not None:
            return _MAX_RECV
        return min(max(self._length - self.size, 4096), _MAX_RECV)

    def raw(self) -> bytes:
        """What has come of it."""
        return b"".join(self.parts)

    def file(self) -> BytesIO:
        """What has come of it, to be read. Called once, at its end."""
        return BytesIO(self.raw())


class WholeCollector(Collector):
    """A body whose length is known, in one piece of memory from its beginning on.

    It is received where the application reads it from: to put 1 MiB together from pieces costs a fifth of the request.
    """

    __slots__ = ("_file", "_room")

    def __init__(self, length: int) -> None:
        super().__init__(length)
        # The file takes these very bytes for its own, since nobody else has them: neither line copies.
        self._file = BytesIO(bytes(length))
        self._room = self._file.getbuffer()

    @classmethod
    def is_for(cls, length: int) -> bool:
        """Whether it is worth while for such a body."""
        return length >= _WHOLE_FROM

    @property
    def footprint(self) -> int:
        """How many bytes of memory it takes."""
        return self._length

    def feed(self, data: bytes) -> bytes | None:
        """See `Collector`."""
        end = self._length - self.size
        body, rest = data[:end], data[end:]
        self._room[self.size : self.size + len(body)] = body
        self.size += len(body)
        return rest if self.size == self._length else None

    def receive(self, sock: socket.socket) -> int:
        """Take what `sock` has, never more than the body; returns how many bytes, 0 at the end of the connection.

        Raises OSError.
        """
        count = sock.recv_into(self._room[self.size :])
        self.size += count
        return count

    def raw(self) -> bytes:
        """See `Collector`."""
        return bytes(self._room[: self.size])

    def file(self) -> BytesIO:
        """See `Collector`. A body that is not complete is not for it."""
        self._room.release()  # or the application could not close the file
        return self._file


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
