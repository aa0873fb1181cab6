"""From the bytes of a request's head to a `Request` and its WSGI environ: the fast way.

A parser takes the head apart, in C or in Python (`head_parser`); what gunicorn_h1c 0.6.9, the one in C, is too kind to
is caught here (bare LF, folded lines, more than one space, no Host, bytes outside ASCII in the target, a Content-Length
that wraps around). A head that is not plainly right goes to the strict reader, that is to gunicorn's own parser in
Python, whose verdict counts: so a refusal costs more than an acceptance, and all readers agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_to_bytes

from hotswap.engine.http1.head_parser import CHOSEN
from hotswap.engine.http1.request import CHUNKED, Request
from hotswap.engine.http1.strict_reader import StrictReader, check_host, wants_keep_alive

if TYPE_CHECKING:
    from hotswap.engine.http1.head_parser import HeadParser
    from hotswap.engine.http1.request import Sender
    from hotswap.engine.limits import Limits
    from hotswap.engine.values import Environ
    from hotswap.settings.options import EngineOptions

_KNOWN_NAMES = 512  # how many header names and hosts are remembered
_KNOWN_TARGETS, _KNOWN_LENGTH = 1024, 256  # how many targets are remembered, and how long they may be
_CLIENT_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT")
#: Names that are more than a variable in the environ; looked at one by one, after the others.
_SPECIAL = frozenset((b"CONTENT-LENGTH", b"TRANSFER-ENCODING", b"EXPECT", b"UPGRADE"))
_SINGLE = ("HTTP_HOST", "CONTENT_TYPE")  # two of them are a fault (RFC 9110, section 5.3)


Target = tuple[str, str, str]  #: as it was sent, its path decoded, its query string


class KnownHeads(NamedTuple):
    """What a reader remembers of the heads it has read: how many header names and hosts, and which targets."""

    names: int
    hosts: int
    targets: frozenset[bytes]


class HeadReader:
    """Reads heads for one engine. Not per connection: it keeps no state but what it learnt about names."""

    def __init__(self, options: EngineOptions, limits: Limits, parser: HeadParser = CHOSEN) -> None:
        self._parse_head = parser.parse
        self._unfinished = parser.unfinished
        self._strict = StrictReader(options, limits)
        self._limits = limits
        self._always_strict = self._strict.always
        self._schemes = {name.upper().encode(): value for name, value in options.secure_scheme_headers.items()}
        self._special = _SPECIAL | set(self._schemes)
        self._methods = {method.encode(): method for method in _CLIENT_METHODS}
        self._keys: dict[bytes, str] = {}  # header name as sent -> environ key
        self._targets: dict[bytes, Target] = {}
        self._hosts: set[str] = set()  # values of Host found good
        self._bounds = (
            0, min(limits.line, 1 << 20), limits.fields, limits.field_size,
            options.permit_unconventional_http_method, False,
        )  # fmt: skip

    def read(self, data: bytes, sender: Sender) -> Request | None:
        """The request at the start of `data`, or None if its head is not all there yet. Raises Refusal."""
        if self._always_strict:
            return self._strict.read(data, sender)
        try:
            head = self._parse_head(data, *self._bounds)
        except self._unfinished:
            if b"\r\n\r\n" in data:  # gunicorn_h1c waits for a version that will not come: "GET /", and nothing more
                return self._strict.read(data, sender, may_go_on=True)
            self._strict.check_unfinished(data)
            return None
        except ValueError:  # every other verdict of the parser
            return self._strict.read(data, sender)
        return self._accept(head, data, sender) or self._strict.read(data, sender)

    @property
    def known(self) -> KnownHeads:
        """What it remembers now."""
        return KnownHeads(len(self._keys), len(self._hosts), frozenset(self._targets))

    def _accept(self, head: Any, data: bytes, sender: Sender) -> Request | None:
        """The Request, or None if there is anything about this head that the strict parser should judge."""
        method, target, consumed = head.method, head.path, head.consumed
        known = self._targets.get(target) or self._learn_target(target)
        if not (known and self._is_plain(method, target, data, consumed)):
            return None
        environ = sender.base.copy()
        specials = self._variables(head.headers, environ)
        request = self._begin(method, known, environ)
        request.consumed = consumed
        if head.minor_version == 0:
            request.http11 = False
            environ["SERVER_PROTOCOL"] = "HTTP/1.0"
        if "HTTP_CONNECTION" in environ or not request.http11:
            request.keep_alive = wants_keep_alive(environ.get("HTTP_CONNECTION", ""), request.http11)
        if specials and not self._apply(specials, request, sender):
            return None
        if environ.get("HTTP_HOST") not in self._hosts:
            self._learn_host(environ, http11=request.http11)
        return request

    def _is_plain(self, method: bytes, target: bytes, data: bytes, consumed: int) -> bool:
        """True if the parser's kindness had nothing to forgive in this head."""
        return (
            # One space on each side of the target and nothing before the method.
            data.startswith(b" HTTP/1.", len(method) + len(target) + 1)
            # Every LF has its CR: the parser takes no CR that is not followed by LF.
            and data.count(b"\r", 0, consumed) == data.count(b"\n", 0, consumed)
            # No line of it can be over the limit: the parser measures lines without the blanks around values.
            and consumed <= self._limits.field_size
            # It closes the connection, and is rare.
            and method != b"CONNECT"
        )

    def _variables(self, headers: Iterable[tuple[bytes, bytes]], environ: Environ) -> list[tuple[bytes, bytes]]:
        """Put plain headers into the environ; returns the others."""
        keys, specials = self._keys, []
        for name, value in headers:
            key = keys.get(name) or self._learn(name)
            if key and key not in environ:
                environ[key] = str(value, "latin-1")
            elif not key or key in _SINGLE:
                specials.append((name, value))
            else:
                environ[key] += "," + str(value, "latin-1")
        return specials

    def _begin(self, method: bytes, target: Target, environ: Environ) -> Request:
        uri, path, environ["QUERY_STRING"] = target
        environ["REQUEST_METHOD"] = name = self._methods.get(method) or str(method, "ascii")
        environ["RAW_URI"] = uri
        environ["PATH_INFO"] = path
        return Request(name, uri, path, environ)

    def _learn_target(self, target: bytes) -> Target | None:
        """A target taken apart, and remembered for a while; None if the strict parser should judge."""
        if not target.startswith(b"/") or b"#" in target or not target.isascii():
            return None
        uri = str(target, "ascii")
        path, _, query = uri.partition("?")
        if "%" in path:
            path = unquote_to_bytes(path).decode("latin-1")
        if len(target) <= _KNOWN_LENGTH:
            if len(self._targets) >= _KNOWN_TARGETS:
                self._targets.clear()
            self._targets[target] = uri, path, query
        return uri, path, query

    def _learn(self, name: bytes) -> str:
        """The environ key of a header seen for the first time, or "" if it needs a closer look each time."""
        upper = name.upper()
        if upper in self._special or b"_" in upper or not upper:
            return ""
        key = upper.decode("ascii").replace("-", "_")
        if key != "CONTENT_TYPE":
            key = "HTTP_" + key
        if len(self._keys) < _KNOWN_NAMES:  # a client that invents names must not fill the memory
            self._keys[name] = key
        return key

    def _learn_host(self, environ: Environ, *, http11: bool) -> None:
        host = environ.get("HTTP_HOST")
        check_host(host, http11=http11)
        if host is not None and len(self._hosts) < _KNOWN_NAMES:
            self._hosts.add(host)

    def _apply(self, specials: list[tuple[bytes, bytes]], request: Request, sender: Sender) -> bool:
        """What the headers in `specials` mean. False: let the strict parser judge."""
        environ = request.environ
        schemes = 0
        for name, value in specials:
            upper, text = name.upper(), str(value, "latin-1")
            key = upper.decode("ascii").replace("-", "_")
            key = key if key == "CONTENT_LENGTH" else "HTTP_" + key
            if key in environ or not upper:
                return False
            if upper in _SPECIAL:
                good = self._framing(upper, text, request)
            elif upper in self._schemes:
                # A proxy says how its client spoke; from any other peer it is a header like any other.
                good = True
                if self._strict.trusts(sender.peer):
                    schemes += 1
                    environ["wsgi.url_scheme"] = "https" if text == self._schemes[upper] else "http"
            else:
                good = False
            if not good:
                return False
            environ[key] = text
        return schemes < 2

    def _framing(self, upper: bytes, text: str, request: Request) -> bool:
        """Content-Length, Transfer-Encoding, Expect or Upgrade. False: let the strict parser judge."""
        if upper == b"CONTENT-LENGTH":
            # Up to 18 digits is below 2**63: no program further down the line wraps around.
            if not (text.isascii() and text.isdigit() and len(text) <= 18) or request.length == CHUNKED:
                return False
            request.length = int(text)
        elif upper == b"TRANSFER-ENCODING":
            if text.lower() != "chunked" or not request.http11 or "CONTENT_LENGTH" in request.environ:
                return False
            request.length = CHUNKED
        elif upper == b"EXPECT":
            request.expect = request.http11
            return text.lower() == "100-continue"
        else:
            request.upgrade = "upgrade" in request.environ.get("HTTP_CONNECTION", "").lower()
        return True
