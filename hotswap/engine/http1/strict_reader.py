"""The last word on a request's head: gunicorn's parser in Python, and the few rules that it leaves to its callers.

The fast reader sends every head here that it does not find plainly right. Slow (some 50 µs); such heads are rare.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gunicorn.http import errors
from gunicorn.http.body import ChunkedReader
from gunicorn.http.message import Message, _ip_in_allow_list
from gunicorn.http.message import Request as GunicornRequest
from gunicorn.http.unreader import IterUnreader
from gunicorn.util import unquote_to_wsgi_str

from hotswap.engine.http1.error_page import Refusal
from hotswap.engine.http1.request import CHUNKED, Request

if TYPE_CHECKING:
    from hotswap.engine.http1.request import Sender
    from hotswap.engine.limits import Limits
    from hotswap.engine.values import Peer
    from hotswap.settings.options import EngineOptions

# RFC 9110, section 7.2: Host = uri-host [ ":" port ]; RFC 3986, section 3.2.2, for uri-host.
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~!$&'()*+,;=%]*)(?::[0-9]*)?")
_VERSION = re.compile(rb"[^ ]+ [^ ]+ HTTP/[0-9]\.[0-9]\r\n")
#: Longer than any body could be (2**63 has 19 digits): such a length is an attempt at an overflow somewhere.
_LENGTH_DIGITS = 18
_CODES: dict[type[Exception], int] = {
    errors.LimitRequestLine: 414,
    errors.LimitRequestHeaders: 431,
    errors.ExpectationFailed: 417,
    errors.UnsupportedTransferCoding: 501,
    errors.ForbiddenProxyRequest: 403,
}


def check_host(host: str | None, *, http11: bool) -> None:
    """Refuse a Host that is missing in HTTP/1.1 or is not a host (RFC 9112, section 3.2)."""
    if host is None:
        if http11:
            raise Refusal(400, "the request has no Host header")
    elif not _HOST.fullmatch(host):
        raise Refusal(400, "the Host header is not a host")


@lru_cache(256)
def wants_keep_alive(connection: str, http11: bool) -> bool:
    """What the Connection header asks for; "close" wins over anything else in the list (RFC 9112, section
    9.3).
    """
    tokens = [token.strip(" \t") for token in connection.lower().split(",")]
    return "close" not in tokens and (http11 or "keep-alive" in tokens)


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


class StrictReader:
    """gunicorn's verdict on a head, as our `Request` or a `Refusal`."""

    def __init__(self, options: EngineOptions, limits: Limits) -> None:
        self._gunicorn = options.gunicorn
        self._limits = limits
        self._allow = options.gunicorn.forwarded_allow_ips
        self._networks = options.gunicorn.forwarded_allow_networks()
        #: Whether every head has to come here: what loosens the rules is unknown to the parsers of plain heads.
        self.always = options.strict_parser_only or bool(os.environ.get("SCRIPT_NAME"))

    def trusts(self, peer: Peer) -> bool:
        """Whether `peer` may speak for its client (`forwarded_allow_ips`); a unix socket's peer always may."""
        return not isinstance(peer, tuple) or bool(_ip_in_allow_list(peer[0], self._allow, self._networks))

    def check_unfinished(self, data: bytes) -> None:
        """Refuse the beginning of a head that can only end badly, instead of waiting for the rest."""
        if len(data) > self._limits.line + 2 and data.find(b"\r\n", 2) < 0:
            raise Refusal(414, "the request line is too long")
        if len(data) > self._limits.head:
            raise Refusal(431, "the request's head is too long")
        if data.count(b"\n") != data.count(b"\r\n"):
            raise Refusal(400, "a line of the head does not end with CRLF")

    def read(self, data: bytes, sender: Sender, *, may_go_on: bool = False) -> Request | None:
        """The request at the start of `data`, None if its head is not all there. Raises Refusal.

        Without `may_go_on` the parser of plain heads has found a fault in what is there, so no rest is waited for.
        """
        try:
            message = _Message(self._gunicorn, data, sender.peer)
        except errors.NoMoreData:
            self.check_unfinished(data)
            if may_go_on or self.always or self._limits.fields > 256:
                return None
            raise Refusal(400, "this is not an HTTP request") from None
        except StopIteration:
            return None
        except errors.ParseException as error:
            raise Refusal(_code(error, data), str(error)) from error
        return self._convert(message, data, sender)

    def _convert(self, message: _Message, data: bytes, sender: Sender) -> Request:
        environ = sender.base.copy()
        request = Request(message.method, message.uri, unquote_to_wsgi_str(message.path), environ)
        request.consumed = len(data) - len(message.source.take_buffered())
        request.http11 = message.version >= (1, 1)
        request.expect = message._expected_100_continue
        length = _fill(environ, message.headers)
        environ.update(
            REQUEST_METHOD=request.method,
            RAW_URI=request.uri,
            PATH_INFO=request.path,
            QUERY_STRING=message.query,
        )
        environ["SERVER_PROTOCOL"] = f"HTTP/{message.version[0]}.{message.version[1]}"
        environ["wsgi.url_scheme"] = message.scheme
        _mount(environ, message)
        if isinstance(message.body.reader, ChunkedReader):
            request.length = CHUNKED
        elif length is not None:
            if len(length) > _LENGTH_DIGITS:
                raise Refusal(400, "the Content-Length is too large to be one")
            request.length = int(length)
        check_host(environ.get("HTTP_HOST"), http11=request.http11)
        connection = environ.get("HTTP_CONNECTION", "")
        request.keep_alive = not message.must_close and request.method != "CONNECT"
        request.keep_alive = request.keep_alive and wants_keep_alive(connection, request.http11)
        request.upgrade = "HTTP_UPGRADE" in environ and "upgrade" in connection.lower()
        return request


def _fill(environ: dict[str, Any], headers: list[tuple[str, str]]) -> str | None:
    """Put headers into the environ as gunicorn does; returns the Content-Length's text."""
    for name, value in headers:
        key = name.replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH") or "_" in name:
            key = "HTTP_" + key
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    length = environ.get("CONTENT_LENGTH")
    return length if isinstance(length, str) else None


def _mount(environ: dict[str, Any], message: _Message) -> None:
    """Split the path at SCRIPT_NAME, which the environment or a trusted proxy's header says.

    The header's own name counts, not its variable: any client may send Script-Name, which is HTTP_SCRIPT_NAME as well.
    """
    script, target = environ["SCRIPT_NAME"], message.path
    for name, value in message.headers:
        if name == "SCRIPT_NAME":
            script = value
    if not target.startswith(script):
        raise Refusal(500, f"the request's path does not begin with SCRIPT_NAME {script!r}")
    environ["SCRIPT_NAME"] = script
    environ["PATH_INFO"] = unquote_to_wsgi_str(target[len(script) :])


def _code(error: Exception, data: bytes) -> int:
    if isinstance(error, errors.InvalidHTTPVersion) and _VERSION.match(data):
        return 505  # well formed, and a version we do not speak
    return _CODES.get(type(error), 400)
