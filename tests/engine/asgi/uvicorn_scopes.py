"""What uvicorn's httptools protocol makes of a head, with its ProxyHeadersMiddleware behind it."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState


class _NoTransport(asyncio.Transport):
    """A connection whose addresses are known, and which keeps what is written."""

    def __init__(self, peer: Any, sockname: Any) -> None:
        super().__init__({"peername": peer, "sockname": sockname})
        self.written = b""

    def is_closing(self) -> bool:
        return False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        pass


def uvicorn_scope(data: bytes, peer: Any, sockname: Any, *, root_path: str = "", trusted: str = "127.0.0.1") -> Any:
    """The scope that an application gets, None if it is refused."""
    return asyncio.run(_scope_of(data, peer, sockname, root_path, trusted))


async def _scope_of(data: bytes, peer: Any, sockname: Any, root_path: str, trusted: str) -> Any:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    config = Config(
        ProxyHeadersMiddleware(app, trusted),
        http="httptools", ws="none", lifespan="off", log_config=None, access_log=False, proxy_headers=False,
        root_path=root_path,
    )  # fmt: skip
    config.load()
    state = ServerState()
    protocol = HttpToolsProtocol(config, state, {}, asyncio.get_running_loop())
    protocol.connection_made(_NoTransport(peer, sockname))
    protocol.data_received(data)
    await asyncio.gather(*state.tasks)
    protocol.connection_lost(None)
    return scopes[0] if scopes else None
