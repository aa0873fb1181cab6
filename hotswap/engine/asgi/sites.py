"""The services as the ASGI engine serves them, and what is the same in every scope of a connection."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hotswap.engine.asgi.base_scope import base_scope
from hotswap.engine.asgi.tls_extension import tls_extension
from hotswap.engine.connections.connection import Site
from hotswap.engine.transport.tls import TlsSocket

if TYPE_CHECKING:
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.values import Environ, Peer, Service
    from hotswap.settings.options import EngineOptions

#: What applications may use beside what the specification asks of every server.
EXTENSIONS: dict[str, Any] = {
    "http.response.early_hint": {},
    "http.response.pathsend": {},
    "http.response.trailers": {},
}
_KNOWN = 256  # how many local addresses are remembered


def sites_of(services: Sequence[Service]) -> dict[str, Site]:
    """The services by their keys. Their `base` is empty: each connection gets one of its own."""
    return {service.key: Site(service.key, service.app, {}, service.sock) for service in services}


class BaseScopes:
    """Makes what no request of a connection changes; most connections share theirs.

    `states` are the lifespans', by the services' keys.
    """

    def __init__(self, options: EngineOptions, states: Mapping[str, dict[str, Any]]) -> None:
        self._root_path = options.asgi.root_path
        self._states = states
        self._known: dict[tuple[str, Peer], Environ] = {}

    def give(self, conn: Connection) -> None:
        """Give a connection its own, before its first request is read."""
        sockname: Peer = ""
        with contextlib.suppress(OSError):  # the client has gone, and reading will say so
            sockname = conn.sock.getsockname()
        if isinstance(conn.sock, TlsSocket):
            conn.base = self._make(conn, sockname, {**EXTENSIONS, "tls": tls_extension(conn.sock.ssl_socket)})
            return
        known = self._known.get((conn.site.key, sockname))
        if known is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            known = self._known[conn.site.key, sockname] = self._make(conn, sockname, EXTENSIONS)
        conn.base = known

    def _make(self, conn: Connection, sockname: Peer, extensions: dict[str, Any]) -> Environ:
        return base_scope(
            sockname,
            tls=conn.tls,
            state=self._states.get(conn.site.key, {}),
            root_path=self._root_path,
            extensions=extensions,
        )
