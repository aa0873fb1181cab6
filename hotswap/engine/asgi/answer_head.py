"""The head of an ASGI answer: what the application says in `http.response.start`, how its body is framed, and what the
server adds.

Where uvicorn does otherwise: `date` and `server` are added only where the application gives none, a body that is known
when the head is sent gets a Content-Length and is not chunked, and Transfer-Encoding is the server's alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from time import time
from typing import TYPE_CHECKING, Any

from hotswap.engine.http1.response_head import SERVER, http_date

if TYPE_CHECKING:
    from hotswap.engine.http1.request import Request

# RFC 9110, section 5.6.2. What may not be in a value (section 5.5) is all that `_CONTROLS` has.
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROLS = bytes((*range(9), *range(10, 32), 127))
_WITHOUT_BODY = frozenset((204, 304))
_REMEMBERED = 512  # names, and whole heads
_MANY, _LONG = 16, 1024  # headers, and bytes, of the largest head that is remembered
_NO_BYTES = "the value of response header {!r} must be bytes"

_DATE, _SERVER, _LENGTH, _CODING, _CONNECTION = 1, 2, 4, 8, 16
_KINDS = {
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"date": _DATE,
    b"server": _SERVER,
}
_kinds: dict[bytes, int] = {}  # header name as the application wrote it -> kind, 0 for one that means nothing here
_prefixes: dict[bytes, bytes] = {}  # the same for those that mean nothing -> what stands before the value
_statuses: dict[int, tuple[bytes, int]] = {}
#: (status, *headers) as the application wrote them -> what was made of them: most answers repeat one.
_known: dict[tuple[Any, ...] | None, tuple[int, bytes, int | None, bool, bool, int]] = {}


class ServerLines:
    """The lines for `date` and `server` that the server adds, renewed when the second has passed. Of one thread.

    As everywhere in a head that is being made, CRLF stands before a line.
    """

    __slots__ = ("_date", "_until", "both", "date", "server")

    def __init__(self, *, date: bool = True, server: bool = True) -> None:
        self._date = date
        self._until = 0.0
        self.server = b"\r\nserver: %b" % SERVER.encode() if server else b""
        self.date = b""
        self.both = b""

    def renew(self, now: float) -> None:
        """Bring the lines up to the wall clock time `now`."""
        # A clock set back by more than a second must not freeze the date.
        if not self._until - 1.0 <= now < self._until:
            second = float(int(now))
            self.date = b"\r\ndate: %b" % http_date(second).encode() if self._date else b""
            self.both = self.date + self.server
            self._until = second + 1.0


class AnswerHead:
    """The head of one answer: first what the application says, then, with what is known of the body, its bytes.

    `omit`: the body is not sent, because the request was HEAD or the status has none. `length` is the body's, if the
    application or the server said it. `keep`: the connection stays open behind this answer; to be set to False before
    `make` where it must not.
    """

    __slots__ = ("_closes", "_connected", "_lines", "_named", "_request", "_text", "chunked", "code", "keep", "length",
                 "omit")  # fmt: skip

    def __init__(self, request: Request, lines: ServerLines) -> None:
        self._request = request
        self._lines = lines
        self.keep = request.keep_alive
        self.code = 0
        self.length: int | None = None
        self.chunked = False
        self.omit = False

    def take(self, status: Any, headers: Iterable[Iterable[Any]]) -> None:
        """Take what the application says. Raises TypeError and ValueError, which name the header."""
        if headers.__class__ is not list:
            headers = list(headers)
        said = (status, *headers) if len(headers) <= _MANY else None
        try:
            known = _known.get(said)
        except TypeError:  # a header is a list, or a name or value is no bytes
            said = known = None
        if known is not None:
            self.code, self._text, self.length, self._closes, self._connected, self._named = known
        else:
            self._read(status, headers)
            if said is not None and len(self._text) <= _LONG:
                if len(_known) >= _REMEMBERED:
                    _known.clear()
                _known[said] = self.code, self._text, self.length, self._closes, self._connected, self._named
        self.omit = self.code in _WITHOUT_BODY or self.code < 200 or self._request.method == "HEAD"

    def _read(self, status: Any, headers: Any) -> None:
        """The same for one that is not remembered."""
        line, self.code = _statuses.get(status) or _learn_status(status)
        self._closes = self._connected = False
        self._named = 0  # which of the server's lines the application gives itself
        text, count = line, 0
        for name, value in headers:
            prefix = _prefixes.get(name) or self._look_closer(name, value)
            if prefix:
                try:
                    text += prefix + value
                except TypeError as error:
                    raise TypeError(_NO_BYTES.format(name)) from error
                count += 1
        # Each line but the first begins with two of these characters, and no value may hold one.
        if len(text.translate(None, _CONTROLS)) != len(text) - 2 * count:
            field_lines(headers)  # raises, and names the header
        self._text = text

    def _look_closer(self, name: Any, value: Any) -> bytes:
        """What stands before the value of a header that is special or new; b"" if it is not sent as it is written."""
        kind = _kinds.get(name)
        if kind is None:
            kind = _learn_name(name)
        return b"\r\n%b: " % name if not kind or self._special(kind, value) else b""

    def _special(self, kind: int, value: Any) -> bool:
        """What a header means to the server. False: it is not sent as the application wrote it."""
        if kind == _LENGTH:
            if not (isinstance(value, bytes) and value.isdigit()):
                raise ValueError(f"{value!r} is not a Content-Length")
            if self.length not in (None, int(value)):
                raise ValueError(f"two values of Content-Length: {self.length} and {int(value)}")
            self.length = int(value)
            return False
        if kind == _CODING:
            return False
        if kind == _CONNECTION and isinstance(value, bytes):
            tokens = [token.strip() for token in value.lower().split(b",")]
            self._closes = self._closes or b"close" in tokens
            if tokens == [b"keep-alive"] or tokens == [b"close"]:
                return False
            self._connected = True
        else:
            self._named |= kind
        return True

    def make(self, whole: int | None) -> bytes:
        """The head's bytes; `whole` is the body's length if all of it is known. Decides on framing and on closing."""
        text, request = self._text, self._request
        if self.length is None or self.omit:
            text += self._framing(whole)
        else:
            text += b"\r\ncontent-length: %d" % self.length
        if self._closes or self.code < 200:
            self.keep = False
        if not self.keep:
            text += b"\r\nconnection: close"
        elif not request.http11 and not self._connected:
            text += b"\r\nconnection: keep-alive"
        lines = self._lines
        lines.renew(time())
        if not self._named:
            return text + lines.both + b"\r\n\r\n"
        return text + self._missing() + b"\r\n\r\n"

    def _missing(self) -> bytes:
        """Those of the server's lines that the application did not give."""
        lines = self._lines
        return (b"" if self._named & _DATE else lines.date) + (b"" if self._named & _SERVER else lines.server)

    def _framing(self, whole: int | None) -> bytes:
        """The header line that tells where the body ends (RFC 9112, section 6), b"" if there is none."""
        if self.code == 204 or self.code < 200:
            self.length = None
        elif self.length is None and not self.omit:
            if whole is None:
                if self._request.http11:
                    self.chunked = True
                    return b"\r\ntransfer-encoding: chunked"
                self.keep = False  # for HTTP/1.0, closing is the end
                return b""
            self.length = whole
        return b"" if self.length is None else b"\r\ncontent-length: %d" % self.length


def field_lines(headers: Iterable[Iterable[Any]]) -> bytes:
    """Header lines as they are sent: of trailers, or of a 103. Raises TypeError and ValueError, which name the
    header."""
    return b"".join(_line_of(name, value) for name, value in headers)


def _learn_status(status: Any) -> tuple[bytes, int]:
    if not isinstance(status, int) or isinstance(status, bool):
        raise TypeError(f"a status must be int, not {status!r}")
    if not 100 <= status <= 999:
        raise ValueError(f"{status} is not a status: three digits")
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    known = _statuses[int(status)] = f"HTTP/1.1 {status:d} {phrase}".encode(), int(status)
    return known


def _learn_name(name: Any) -> int:
    """The kind of a header name, remembered. Raises TypeError, ValueError."""
    if not isinstance(name, bytes):
        raise TypeError(f"a response header's name must be bytes, not {name!r}")
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is not a response header's name")
    kind = _KINDS.get(name.lower(), 0)
    if len(_kinds) < _REMEMBERED:
        _kinds[name] = kind
        if not kind:
            _prefixes[name] = b"\r\n%b: " % name
    return kind


def _line_of(name: Any, value: Any) -> bytes:
    _learn_name(name)
    if not isinstance(value, bytes):
        raise TypeError(_NO_BYTES.format(name))
    if len(value.translate(None, _CONTROLS)) != len(value):
        raise ValueError(f"the value of response header {name!r} holds characters that no header may hold")
    line: bytes = name + b": " + value + b"\r\n"
    return line
