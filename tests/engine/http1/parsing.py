"""Heads and bodies parsed without a socket, a thread or an engine: the bytes go in, the request comes out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData, ParseException

from hotswap.engine.connections.connection import Connection, Site
from hotswap.engine.http1.body import Collector, decode_chunked
from hotswap.engine.http1.error_page import Refusal
from hotswap.engine.http1.head_parser import CHOSEN, HeadParser
from hotswap.engine.http1.proxy_protocol import ProxiedReader
from hotswap.engine.http1.request import CHUNKED
from hotswap.engine.http1.strict_reader import Trailers
from hotswap.engine.limits import Limits
from hotswap.engine.values import Environ, Peer
from hotswap.engine.wsgi.environ import base_environ
from hotswap.engine.wsgi.environ_reader import EnvironReader
from hotswap.engine.wsgi.wsgi_request import WsgiRequest
from hotswap.settings.options import EngineOptions
from tests.engine.apps import hello
from tests.engine.streams import REFUSED, SILENCE, Seen, Verdict

HOST = b"Host: a\r\n"


class _NoSocket:
    """All that a `Connection` asks of its socket before it is used."""

    def fileno(self) -> int:
        return -1


class Parser:
    """A reader of heads with its settings, and connections for it."""

    def __init__(self, parser: HeadParser = CHOSEN, /, **settings: Any) -> None:
        self.cfg = Config()
        for name, value in settings.items():
            self.cfg.set(name, value)
        self.options = EngineOptions.from_config(self.cfg)
        self.limits = Limits.from_options(self.options)
        plain = EnvironReader(self.options, self.limits, parser)
        self.reader = plain if self.options.proxy_protocol == "off" else ProxiedReader(self.options, plain)

    def base(self) -> Environ:
        """The part of the environ that no request changes."""
        return base_environ(("localhost", "80"), self.options, multiprocess=False)

    def connection(self, peer: Peer = ("127.0.0.1", 1), base: Environ | None = None) -> Connection:
        """A connection without a socket."""
        return Connection(_NoSocket(), Site("main", hello, base or self.base(), None), peer)  # type: ignore[arg-type]

    def read(self, data: bytes, peer: Peer = ("127.0.0.1", 1)) -> WsgiRequest | None:
        """What the reader makes of a head on a new connection; raises Refusal."""
        return self.reader.read(data, self.connection(peer))

    def get(self, *lines: bytes, peer: Peer = ("127.0.0.1", 1)) -> WsgiRequest:
        """The request `GET /` with these header lines beside Host."""
        request = self.read(b"GET / HTTP/1.1\r\n" + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n", peer)
        assert request is not None
        return request

    def verdict(self, data: bytes) -> Verdict:
        """What a whole stream of bytes means, as `EngineParser.verdict` says it of the engine."""
        seen: list[Seen] = []
        try:
            for request, body in self._requests(data):
                environ = request.environ
                headers = sorted(item for item in environ.items() if item[0].startswith(("HTTP_", "CONTENT_")))
                seen.append(Seen(request.method, environ["RAW_URI"], tuple(headers), body))
        except Refusal as refusal:
            return Verdict(tuple(seen), REFUSED, refusal.code, str(refusal))
        return Verdict(tuple(seen), SILENCE)

    def _requests(self, data: bytes) -> Iterator[tuple[WsgiRequest, bytes]]:
        conn = self.connection()
        while data:
            request = self.reader.read(data, conn)
            if request is None:
                return
            body, rest = self._body(request, data[request.consumed :])
            if rest is None:
                return
            yield request, body
            if not request.keep_alive:
                return
            data = rest

    def _body(self, request: WsgiRequest, data: bytes) -> tuple[bytes, bytes | None]:
        """The body at the beginning of `data` and what lies behind it, None if the body is not all there."""
        collector = Collector(request.length)
        rest = collector.feed(data)
        if rest is None or request.length != CHUNKED:
            return collector.raw(), rest
        try:
            return decode_chunked(collector.raw(), Trailers(self.options, self.limits)), rest
        except (ParseException, NoMoreData) as error:
            raise Refusal(400, str(error)) from error
