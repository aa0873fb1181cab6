"""The part of an ASGI scope that no request changes (ASGI 3.0, HTTP and websocket specifications)."""

from __future__ import annotations

from typing import Any

from hotswap.engine.values import Environ, Peer

#: As uvicorn says. From 2.4 on, Starlette leaves it to a failing `send` to notice that a client has gone, and no longer
#: cancels an endless answer that waits for something else.
HTTP_SPEC = "2.3"
WEBSOCKET_SPEC = "2.4"


_ASGI = {"version": "3.0", "spec_version": HTTP_SPEC}
#: What each request has of its own. In the base, too: a copy of it then has room for them.
_OF_A_REQUEST = ("client", "method", "path", "raw_path", "query_string", "headers")


def base_scope(
    sockname: Peer,
    *,
    tls: bool,
    state: dict[str, Any],
    root_path: str = "",
    extensions: dict[str, Any] | None = None,
) -> Environ:
    """The scope that `ScopeReader` copies for each request of the connections to one local address.

    `sockname` is what the socket says; of a unix socket the server is its path. The dictionaries in it are copied too:
    what an application puts into one is seen by no other request. `state` is the lifespan's. `extensions` are those of
    HTTP requests.
    """
    return {
        "type": "http",
        "asgi": _ASGI,
        "http_version": "1.1",
        "server": (sockname[0], sockname[1]) if isinstance(sockname, tuple) else (sockname, None),
        "scheme": "https" if tls else "http",
        "root_path": root_path,
        "state": state,
        "extensions": extensions if extensions is not None else {},
        **dict.fromkeys(_OF_A_REQUEST),
    }
