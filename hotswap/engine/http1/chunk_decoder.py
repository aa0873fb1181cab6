"""Decodes a chunked body as it comes (RFC 9112, section 7.1), by gunicorn's rules: bytes in, content out.

The WSGI engine does not use it: its bodies are read by gunicorn's own `ChunkedReader`, which pulls. However the bytes
are cut, the outcome is the same, and a fault is told as soon as it has come.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gunicorn.http import errors
from gunicorn.http.body import CHUNK_EXT_RE

from hotswap.engine.http1.error_page import Refusal

if TYPE_CHECKING:
    from hotswap.engine.limits import Limits

_HEX = re.compile(rb"[0-9A-Fa-f]+")
_TOO_LARGE = 1 << 63  # no chunk is: such a size is an attempt at an overflow somewhere
_SIZE, _DATA, _DATA_END, _TRAILERS, _DONE = range(5)


class ChunkDecoder:
    """One body. `trailers`, a `strict_reader.Trailers`, checks the trailer section; what is in it is dropped."""

    __slots__ = ("_checked", "_held", "_left", "_limits", "_state", "_trailers")

    def __init__(self, limits: Limits, trailers: Any) -> None:
        self._limits = limits
        self._trailers = trailers
        self._state = _SIZE
        self._left = 0  # bytes that the chunk still has
        self._held = bytearray()  # a line or a trailer section that is not all there
        self._checked = 0  # so many bytes of what is held have no LF without its CR

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The content in `data`, and what lies behind the body; None instead as long as the body goes on.

        Raises Refusal(400). Not to be called again after that, nor once the body has ended.
        """
        pieces: list[bytes] = []
        position, end = 0, len(data)
        while position < end and self._state != _DONE:
            if self._state == _DATA:
                piece = data[position : position + self._left]
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _DATA_END
            elif self._state == _SIZE:
                position = self._read_size(data, position)
            elif self._state == _DATA_END:
                position = self._end_data(data, position)
            else:
                position = self._read_trailers(data, position)
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return content, data[position:] if self._state == _DONE else None

    def _read_size(self, data: bytes, position: int) -> int:
        line, position = self._until(b"\r\n", data, position, self._limits.field_size, "the first line of a chunk")
        if line is not None:
            self._left = _size_of(line)
            self._state = _DATA if self._left else _TRAILERS
        return position

    def _end_data(self, data: bytes, position: int) -> int:
        if data.startswith(b"\r\n", position) and not self._held:
            self._state = _SIZE
            return position + 2
        self._held += data[position : position + 1]
        if not b"\r\n".startswith(self._held):
            raise Refusal(400, f"a chunk ends with {bytes(self._held)!r}, and not with CRLF")
        if len(self._held) == 2:
            self._held.clear()
            self._state = _SIZE
        return position + 1

    def _read_trailers(self, data: bytes, position: int) -> int:
        """What follows the last chunk: CRLF, or fields and an empty line."""
        before = len(self._held)
        if before < 2:
            self._held += data[position : position + 2 - before]
            if self._held == b"\r\n":
                self._state = _DONE
            return position + len(self._held) - before
        section, position = self._until(b"\r\n\r\n", data, position, self._limits.head, "the trailer section")
        if section is None:
            return position
        try:
            self._trailers.parse_headers(section, from_trailer=True)
        except errors.ParseException as error:
            raise Refusal(400, str(error)) from error
        self._state = _DONE
        return position

    def _check_lines(self, what: str) -> None:
        """Refuse what can only end badly, instead of waiting for the rest: in neither is an LF without its CR."""
        held, checked = self._held, self._checked
        if held.count(b"\n", checked) != held.count(b"\r\n", max(0, checked - 1)):
            raise Refusal(400, f"{what} holds an LF without its CR")
        self._checked = len(held)

    def _until(self, mark: bytes, data: bytes, position: int, limit: int, what: str) -> tuple[bytes | None, int]:
        """What stands before `mark`, None if the mark has not come; and the position behind what was taken."""
        held = self._held
        before = len(held)
        if not before:
            found = data.find(mark, position, position + limit + len(mark))
            if found >= 0:
                return data[position:found], found + len(mark)
        held += data[position : position + limit + len(mark) - before]
        found = held.find(mark, max(0, before - len(mark) + 1))
        if found < 0:
            if len(held) >= limit + len(mark):
                raise Refusal(400, f"{what} is longer than {limit} bytes")
            self._check_lines(what)
            return None, position + len(held) - before
        section = bytes(held[:found])
        held.clear()
        self._checked = 0
        return section, position + found + len(mark) - before


def _size_of(line: bytes) -> int:
    """The size that a chunk's first line says. Raises Refusal."""
    size, semicolon, extension = line.partition(b";")
    if semicolon:
        size = size.rstrip(b" \t")
    if not _HEX.fullmatch(size):  # int() alone would take "+5", "0x5" and "5_0"
        raise Refusal(400, f"{size[:80]!r} is not the size of a chunk")
    if semicolon and not CHUNK_EXT_RE.fullmatch(semicolon + extension):
        raise Refusal(400, "a chunk extension is malformed")
    number = int(size, 16)
    if number >= _TOO_LARGE:
        raise Refusal(400, f"a chunk's size is too large to be one: {size[:80]!r}")
    return number
