"""Reads HTTP answers strictly (RFC 9112): a truncated or ambiguous one must not pass for a good one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9]) [\t\x20-\x7e\x80-\xff]*\Z")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*\Z")
_LENGTH = re.compile(r"[0-9]{1,15}\Z")
_CHUNK = re.compile(rb"[0-9A-Fa-f]{1,8}\Z")
_HEAD_LIMIT = 65536


class MalformedAnswer(Exception):
    """The bytes are no HTTP answer, or one that two readers could understand differently."""


@dataclass(frozen=True)
class Answer:
    """One whole answer. Header names are in lower case; a repeated header's values are joined by a comma."""

    status: int
    headers: dict[str, str]
    body: bytes
    closes: bool
    """The server said that it closes the connection: by `Connection: close`, or by being HTTP/1.0."""


@dataclass
class _Head:
    status: int
    headers: dict[str, str]
    closes: bool
    length: int | None = None
    chunked: bool = False
    body: bytearray = field(default_factory=bytearray)


class AnswerReader:
    """Is fed what arrives on one connection and gives whole answers, in order."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: _Head | None = None

    @property
    def began(self) -> bool:
        """Bytes have arrived that belong to no answer given so far."""
        return bool(self._buffer) or self._head is not None

    def feed(self, data: bytes) -> None:
        """Adds what was received."""
        self._buffer += data

    def next(self) -> Answer | None:
        """The next whole answer, None while bytes are missing; raises MalformedAnswer. Skips 1xx."""
        while self._head is None:
            head = self._read_head()
            if head is None:
                return None
            if head.status >= 200:
                self._head = head
        head = self._head
        if not (self._read_chunks(head) if head.chunked else self._read_plain(head)):
            return None
        return self._finish(head)

    def end(self) -> Answer | None:
        """The peer has closed: the answer whose body was to last until then, None if there is none."""
        head = self._head
        if head is None or head.chunked or head.length is not None:
            return None
        head.body += self._buffer
        self._buffer.clear()
        return self._finish(head)

    def _finish(self, head: _Head) -> Answer:
        self._head = None
        return Answer(head.status, head.headers, bytes(head.body), head.closes)

    def _take(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _read_head(self) -> _Head | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _HEAD_LIMIT:
                raise MalformedAnswer(f"no end of the head within {_HEAD_LIMIT} bytes")
            return None
        first, *fields = self._take(end + 4)[:-4].split(b"\r\n")
        match = _STATUS.match(first)
        if match is None:
            raise MalformedAnswer(f"not a status line: {first[:80]!r}")
        head = _Head(int(match[2]), _fields(fields), closes=match[1] == b"0")
        _frame(head)
        return head

    def _read_plain(self, head: _Head) -> bool:
        if head.length is None:
            head.body += self._buffer
            self._buffer.clear()
            return False
        head.body += self._take(head.length - len(head.body))
        return len(head.body) == head.length

    def _read_chunks(self, head: _Head) -> bool:
        while (end := self._buffer.find(b"\r\n")) >= 0:
            line = bytes(self._buffer[:end])
            if not _CHUNK.match(line):
                raise MalformedAnswer(f"not a chunk size: {line[:40]!r}")
            size = int(line, 16)
            if len(self._buffer) < end + 2 + size + 2:
                return False
            chunk = self._take(end + 2 + size + 2)
            if chunk[-2:] != b"\r\n":
                raise MalformedAnswer(f"no line end after a chunk of {size} bytes")
            if size == 0:
                return True
            head.body += chunk[end + 2 : -2]
        if len(self._buffer) > 10:
            raise MalformedAnswer(f"not a chunk size: {bytes(self._buffer[:40])!r}")
        return False


def _fields(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        match = _FIELD.match(line)
        if match is None:
            raise MalformedAnswer(f"not a header line: {line[:80]!r}")
        name, value = match[1].decode("ascii").lower(), match[2].decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _frame(head: _Head) -> None:
    """Decides how long the body is (RFC 9112 section 6.3), for answers to anything but HEAD and CONNECT."""
    options = [option.strip().lower() for option in head.headers.get("connection", "").split(",")]
    head.closes = "close" in options or (head.closes and "keep-alive" not in options)
    coding, length = head.headers.get("transfer-encoding"), head.headers.get("content-length")
    if coding is not None and length is not None:
        raise MalformedAnswer("both Transfer-Encoding and Content-Length")
    if head.status < 200 or head.status in (204, 304):
        head.length = 0
    elif coding is not None:
        if coding.lower() != "chunked":
            raise MalformedAnswer(f"Transfer-Encoding {coding!r}")
        head.chunked = True
    elif length is not None:
        if not _LENGTH.match(length):
            raise MalformedAnswer(f"Content-Length {length!r}")
        head.length = int(length)
    elif not head.closes:
        raise MalformedAnswer("neither a length nor Connection: close")
