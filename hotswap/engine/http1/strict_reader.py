"""The last word on a request's head: gunicorn's parser in Python, and the few rules that it leaves to its callers.

The fast reader sends every head here that it does not find plainly right. Slow (some 50 µs); such heads are rare.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from gunicorn.http import errors
from gunicorn.http.body import ChunkedReader
from gunicorn.http.message import Message, _ip_in_allow_list
from gunicorn.http.message import Request as GunicornRequest
from gunicorn.http.unreader import IterUnreader

from hotswap.engine.http1.error_page import Refusal
from hotswap.engine.http1.request import CHUNKED

if TYPE_CHECKING:
    from hotswap.engine.limits import Limits
    from hotswap.engine.values import Peer
    from hotswap.settings.options import EngineOptions

# RFC 9110, section 7.2: Host = uri-host [ ":" port ]; RFC 3986, section 3.2.2, for uri-host.
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~!$&'()*+,;=%]*)(?::[0-9]*)?")
_VERSION = re.compile(rb"[^ ]+ [^ ]+ HTTP/[0-9]\.[0-9]\r\n")
#: Longer than any body could be (2**63 has 19 digits): such a length is an attempt at an overflow somewhere.
_LENGTH_DIGITS = 18
_KNOWN_PEERS = 1024  # of how many hosts is remembered whether they are trusted
_CODES: dict[type[Exception], int] = {
    errors.LimitRequestLine: 414,
    errors.LimitRequestHeaders: 431,
    errors.ExpectationFailed: 417,
    errors.UnsupportedTransferCoding: 501,
    errors.ForbiddenProxyRequest: 403,
}


def check_host(host: str | bytes | None, *, http11: bool) -> None:
    """Refuse a Host that is missing in HTTP/1.1 or is not a host (RFC 9112, section 3.2)."""
    if host is None:
        if http11:
            raise Refusal(400, "the request has no Host header")
    elif not _HOST.fullmatch(_text(host)):
        raise Refusal(400, "the Host header is not a host")


@lru_cache(256)
def wants_keep_alive(connection: str | bytes, http11: bool) -> bool:
    """What the Connection header asks for; "close" wins over anything else in the list (RFC 9112, section
    9.3).
    """
    tokens = [token.strip(" \t") for token in _text(connection).lower().split(",")]
    return "close" not in tokens and (http11 or "keep-alive" in tokens)


def asks_upgrade(connection: str | bytes) -> bool:
    """Whether the Connection header goes with an Upgrade."""
    return "upgrade" in _text(connection).lower()


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else str(value, "latin-1")


class _Message(GunicornRequest):  # type: ignore[misc]
    """gunicorn's request, parsed by its Python parser whatever `http_parser` says."""

    def __init__(self, cfg: Any, data: bytes, peer: Peer) -> None:
        self.source = IterUnreader([data])
        # A number above 1: a PROXY line is read by the engine before the first head, not here.
        super().__init__(cfg, self.source, peer, 2)

    def parse(self, unreader: Any) -> Any:
        self._use_fast = False
        return super().parse(unreader)


class Trailers(Message):  # type: ignore[misc]
    """What gunicorn's `ChunkedReader` asks of a request: bounds, and `parse_headers` for the trailer section."""

    def __init__(self, options: EngineOptions, limits: Limits) -> None:
        # Not Message.__init__, which would begin to parse: only what parse_headers() reads.
        self.cfg = options.gunicorn
        self.limit_request_fields = limits.fields
        self.limit_request_field_size = limits.field_size
        self.max_buffer_headers = limits.head
        self.version = (1, 1)
        self.scheme = "http"
        self.trailers: list[tuple[str, str]] = []


class JudgedHead(NamedTuple):
    """A head as gunicorn's parser has read it.

    `path` is the target's path as it was sent, `query` what follows its "?". The names of `headers` are in upper case;
    `length` is as in `Request`, and `scheme` as a trusted proxy or the listener says.
    """

    method: str
    uri: str
    path: str
    query: str
    version: tuple[int, int]
    headers: list[tuple[str, str]]
    scheme: str
    length: int
    keep_alive: bool
    expect: bool
    upgrade: bool
    consumed: int


class StrictReader:
    """gunicorn's verdict on a head, as a `JudgedHead` or a `Refusal`. `always`: every head comes here."""

    def __init__(self, options: EngineOptions, limits: Limits, *, always: bool) -> None:
        self._gunicorn = options.gunicorn
        self._limits = limits
        self.always = always
        self.trusts_host = lru_cache(_KNOWN_PEERS)(partial(_is_allowed, options.gunicorn))

    def trusts(self, peer: Peer) -> bool:
        """Whether `peer` may speak for its client (`forwarded_allow_ips`); a unix socket's peer always may."""
        return not isinstance(peer, tuple) or self.trusts_host(peer[0])

    def check_unfinished(self, data: bytes) -> None:
        """Refuse the beginning of a head that can only end badly, instead of waiting for the rest."""
        if len(data) > self._limits.line + 2 and data.find(b"\r\n", 2) < 0:
            raise Refusal(414, "the request line is too long")
        if len(data) > self._limits.head:
            raise Refusal(431, "the request's head is too long")
        if data.count(b"\n") != data.count(b"\r\n"):
            raise Refusal(400, "a line of the head does not end with CRLF")

    def read(self, data: bytes, peer: Peer) -> JudgedHead | None:
        """The head at the start of `data`, None if it is not all there. Raises Refusal.

        Unless every head comes here, a fault has been found in what is there, so no rest is waited for; only of heads
        with more than 256 lines it is not known.
        """
        try:
            message = _Message(self._gunicorn, data, peer)
        except errors.NoMoreData:
            self.check_unfinished(data)
            if self.always or self._limits.fields > 256:
                return None
            raise Refusal(400, "this is not an HTTP request") from None
        except StopIteration:
            return None
        except errors.ParseException as error:
            raise Refusal(_code(error, data), str(error)) from error
        return _judged(message, data)


def _is_allowed(gunicorn: Any, host: str) -> bool:
    return bool(_ip_in_allow_list(host, gunicorn.forwarded_allow_ips, gunicorn.forwarded_allow_networks()))


def _judged(message: _Message, data: bytes) -> JudgedHead:
    named = dict(message.headers)  # of those that count here, gunicorn lets no second one through, but for Host
    connection = ",".join(value for name, value in message.headers if name == "CONNECTION")
    http11 = message.version >= (1, 1)
    length = CHUNKED if isinstance(message.body.reader, ChunkedReader) else _length(named.get("CONTENT-LENGTH"))
    check_host(named.get("HOST"), http11=http11)
    closes = message.must_close or message.method == "CONNECT" or not wants_keep_alive(connection, http11)
    return JudgedHead(
        method=message.method,
        uri=message.uri,
        path=message.path,
        query=message.query,
        version=message.version,
        headers=message.headers,
        scheme=message.scheme,
        length=length,
        keep_alive=not closes,
        expect=message._expected_100_continue,
        upgrade="UPGRADE" in named and asks_upgrade(connection),
        consumed=len(data) - len(message.source.take_buffered()),
    )


def _length(text: str | None) -> int:
    if text is not None and len(text) > _LENGTH_DIGITS:
        raise Refusal(400, "the Content-Length is too large to be one")
    return int(text or 0)


def _code(error: Exception, data: bytes) -> int:
    if isinstance(error, errors.InvalidHTTPVersion) and _VERSION.match(data):
        return 505  # well formed, and a version we do not speak
    return _CODES.get(type(error), 400)
