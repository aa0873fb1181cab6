"""A connection as the readers of heads see it."""

from __future__ import annotations

from dataclasses import dataclass

from hotswap.engine.values import Environ, Peer


@dataclass
class SomeSender:
    """Of a client at 127.0.0.1, which no proxy has introduced yet."""

    base: Environ
    peer: Peer = ("127.0.0.1", 1)
    proxy: Environ | None = None
