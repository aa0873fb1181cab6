"""Scopes read without a socket or a loop: the bytes go in, the request comes out."""

from __future__ import annotations

from typing import Any

from gunicorn.config import Config

from hotswap.engine.asgi.asgi_request import AsgiRequest
from hotswap.engine.asgi.base_scope import base_scope
from hotswap.engine.asgi.scope_reader import ScopeReader
from hotswap.engine.http1.head_parser import CHOSEN, HeadParser
from hotswap.engine.http1.proxy_protocol import ProxiedReader
from hotswap.engine.limits import Limits
from hotswap.engine.values import Peer
from hotswap.settings.options import EngineOptions
from tests.engine.some_sender import SomeSender

CLIENT, SERVER = ("127.0.0.1", 51234), ("127.0.0.1", 8000)


class Scopes:
    """A reader of heads with its settings."""

    def __init__(
        self, parser: HeadParser = CHOSEN, /, *, root_path: str = "", websockets: bool = True, **settings: Any
    ) -> None:
        cfg = Config()
        for name, value in settings.items():
            cfg.set(name, value)
        self.options = EngineOptions.from_config(cfg)
        self.limits = Limits.from_options(self.options)
        self.state: dict[str, Any] = {}
        self.root_path = root_path
        plain = ScopeReader(self.options, self.limits, parser, root_path=root_path, websockets=websockets)
        self.reader = plain if self.options.proxy_protocol == "off" else ProxiedReader(self.options, plain)

    def sender(self, peer: Peer = CLIENT, sockname: Peer = SERVER, **more: Any) -> SomeSender:
        """A new connection."""
        given: dict[str, Any] = {"tls": False, "state": self.state, "root_path": self.root_path} | more
        return SomeSender(base_scope(sockname, **given), peer)

    def read(self, data: bytes, sender: SomeSender | None = None) -> AsgiRequest | None:
        """What the reader makes of a head; raises Refusal."""
        return self.reader.read(data, sender or self.sender())

    def scope(self, data: bytes, sender: SomeSender | None = None) -> dict[str, Any]:
        """The scope of a whole head."""
        request = self.read(data, sender)
        assert request is not None
        return request.scope
