"""The head of an answer: what an application may say in it, how the body is framed, and what the server adds.

Names and statuses are checked once each and remembered; `Server` and `Date` are made once a second.
"""

from __future__ import annotations

import re
from time import gmtime, time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hotswap.engine.http1.request import Request

SERVER = "hotswap"  #: the `Server` header and SERVER_SOFTWARE

# RFC 9110: a name is a token (5.6.2), a value is visible characters, blanks, tabs and obs-text (5.5).
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# PEP 3333 and RFC 9112, section 4: three digits, one space, a reason.
_STATUS = re.compile(r"[1-9][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*)?")
_WITHOUT_BODY = frozenset((204, 304))
_REMEMBERED = 512  # names, and as many statuses
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

PLAIN, LENGTH, CONNECTION, UPGRADE, DROPPED = range(5)
# Hop-by-hop fields are the server's (PEP 3333 forbids them to applications; gunicorn drops them too), and so
# are these two.
_KINDS = {
    "content-length": LENGTH,
    "connection": CONNECTION,
    "upgrade": UPGRADE,
    **dict.fromkeys(
        (
            "keep-alive",
            "proxy-authenticate",
            "proxy-authorization",
            "te",
            "trailers",
            "transfer-encoding",
            "server",
            "date",
        ),
        DROPPED,
    ),
}

names: dict[str, int] = {}  #: header name as the application wrote it -> kind
statuses: dict[str, tuple[str, int]] = {}  #: status as the application wrote it -> (status line, code)


def learn_name(name: str) -> int:
    """The kind of a header name, remembered. Raises TypeError, ValueError."""
    if not isinstance(name, str):
        raise TypeError(f"a response header's name must be str, not {name!r}")
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is not a response header's name")
    kind = _KINDS.get(name.lower(), PLAIN)
    # No kind of str but str: a key's own __eq__ would run where the lane in C counts on that nothing does.
    if type(name) is str and len(names) < _REMEMBERED:
        names[name] = kind
    return kind


def check_value(name: str, value: str) -> str:
    """The value, if a header may hold it: tabs and what latin-1 holds beyond ASCII, too. Raises TypeError, ValueError.

    The error names the header and does not show the value, which may be a secret.
    """
    if not isinstance(value, str):
        raise TypeError(f"the value of response header {name!r} must be str")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"the value of response header {name!r} holds characters that no header may hold")
    return value


def learn_status(status: str) -> tuple[str, int]:
    """The status line and the code, remembered. Raises TypeError, ValueError."""
    if not isinstance(status, str):
        raise TypeError(f"a status must be str, not {status!r}")
    if not _STATUS.fullmatch(status):
        raise ValueError(f"{status!r} is not a status: three digits, a space, a reason")
    known = (f"HTTP/1.1 {status}\r\n" if len(status) > 3 else f"HTTP/1.1 {status} \r\n", int(status[:3]))
    if type(status) is str and len(statuses) < _REMEMBERED:
        statuses[status] = known
    return known


def http_date(seconds: float) -> str:
    """`seconds` since the epoch as an IMF-fixdate; not strftime, whose names follow the locale."""
    t = gmtime(seconds)
    return (
        f"{_DAYS[t.tm_wday]}, {t.tm_mday:02d} {_MONTHS[t.tm_mon - 1]} {t.tm_year} "
        f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} GMT"
    )


class Stamp:
    """`Server` and `Date` lines as one text, renewed when the second has passed."""

    __slots__ = ("_server", "_until", "text")

    def __init__(self, server: str) -> None:
        self._server = server
        self._until = 0.0
        self.text = ""

    def lines(self, now: float) -> str:
        """The two header lines for the wall clock time `now`."""
        # A clock set back by more than a second must not freeze the date.
        if not self._until - 1.0 <= now < self._until:
            second = float(int(now))
            self.text = f"Server: {self._server}\r\nDate: {http_date(second)}\r\n"
            self._until = second + 1.0
        return self.text


_server_and_date = Stamp(SERVER)


class ResponseHead:
    """The head of one answer: first what the application says, then, with what is known of the body, its bytes."""

    __slots__ = (
        "_line", "_request", "_text", "chunked", "code", "headers", "headers_sent", "keep", "length", "omit", "status",
        "upgraded",
    )  # fmt: skip

    def __init__(self, request: Request, keep: bool) -> None:
        self._request = request
        self._text = ""
        self._line = ""
        self.status: str | None = None
        self.code = 0
        self.headers: list[tuple[str, str]] = []
        self.headers_sent = False  # its bytes are made
        self.length: int | None = None  # of the body, if the application or the server said it
        self.chunked = False
        self.keep = keep  # the connection stays open behind this answer
        self.omit = False  # the body is not sent: the request was HEAD, or the status has none
        self.upgraded = False

    def take(self, status: str, headers: list[tuple[str, str]]) -> None:
        """Take what the application says. Raises TypeError and ValueError, which name the header."""
        line, code = statuses.get(status) or learn_status(status)
        self.length = None
        text = ""
        for name, value in headers:
            kind = names.get(name)
            if kind is None:
                kind = learn_name(name)
            if value.__class__ is not str or not (value.isascii() and value.isprintable()):
                check_value(name, value)
            if kind and not self._special(kind, value):
                continue
            text += f"{name}: {value}\r\n"
        self._line, self.code, self._text = line, code, text
        self.status, self.headers = status, headers
        self.omit = self.omits(code)

    def omits(self, code: int) -> bool:
        """Whether no body is sent with this status."""
        return code in _WITHOUT_BODY or code < 200 or self._request.method == "HEAD"

    def _special(self, kind: int, value: str) -> bool:
        """What a header means to the server. False: it is not sent as the application wrote it."""
        if kind == LENGTH:
            if not (value.isascii() and value.isdigit()):
                raise ValueError(f"{value!r} is not a Content-Length")
            self.length = int(value)
            return False
        if kind == DROPPED:
            return False
        if kind == CONNECTION:
            asked = value.lower()
            self.upgraded = self.upgraded or asked == "upgrade"
            if asked == "close" or self.upgraded:
                self.keep = False
            return False
        return value.lower() == "websocket"

    @staticmethod
    def server_and_date(now: float) -> str:
        """The lines that the server adds, for the wall clock time `now`."""
        return _server_and_date.lines(now)

    def make(self, whole: int | None) -> bytes:
        """The head's bytes; `whole` is the body's length if all of it is known. Decides on framing and on closing."""
        if self.length is None or self.omit:
            text = self._text + self._framing(whole)
        else:
            text = f"{self._text}Content-Length: {self.length}\r\n"
        if not self.keep or not self._request.http11:
            text += self._connection()
        head = f"{self._line}{_server_and_date.lines(time())}{text}\r\n".encode("latin-1")
        self.headers_sent = True
        return head

    def _framing(self, whole: int | None) -> str:
        """The header line that tells where the body ends (RFC 9112, section 6), "" if there is none."""
        if self.code == 204 or self.code < 200:
            self.length = None
        elif self.length is None and not self.omit:
            if whole is None:
                if self._request.http11:
                    self.chunked = True
                    return "Transfer-Encoding: chunked\r\n"
                self.keep = False  # for HTTP/1.0, closing is the end
                return ""
            self.length = whole
        return "" if self.length is None else f"Content-Length: {self.length}\r\n"

    def _connection(self) -> str:
        if self.upgraded:
            return "Connection: upgrade\r\n"
        return "Connection: keep-alive\r\n" if self.keep else "Connection: close\r\n"
