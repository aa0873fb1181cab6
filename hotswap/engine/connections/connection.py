"""One client connection, and the phases it passes through while the loop owns it."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any, NamedTuple

from hotswap.engine.transport.tls import TlsSocket

if TYPE_CHECKING:
    import socket

    from hotswap.engine.base import Sock
    from hotswap.engine.transport.client_socket import ClientSocket
    from hotswap.engine.values import Application, Environ, Peer

# Plain numbers, because the leading thread compares one for every request: IDLE is the falsy one.
IDLE = 0  #: between requests
HEAD = 1  #: some bytes of a head are there
BODY = 2  #: the loop collects a body
WRITE = 3  #: the loop writes the rest of an answer
FIN = 4  #: our side is shut down, the peer's FIN is awaited
HANDSHAKE = 5  #: a TLS handshake has not begun or is under way


class Site(NamedTuple):
    """A service as the engine serves it. `base` is the part of the environ that no request changes."""

    key: str
    app: Application
    base: Environ
    listener: socket.socket | None


class Connection:
    """One client connection. It has one owner: the loop while it stands in `ConnectionTable.owned`, else the thread
    that has acquired it.

    Only the owner touches it. `dict.pop` acquires it and is atomic: of several threads exactly one gets it.
    """

    __slots__ = (
        "adopted", "base", "client_socket", "closing", "data", "deadline", "fd", "peer", "phase", "polled", "proxy",
        "request", "site", "sock", "tls", "work",
    )  # fmt: skip

    def __init__(self, sock: Sock, site: Site, peer: Peer) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.site = site
        self.base = site.base
        self.peer = peer
        self.proxy: Environ | None = None  # what a proxy said before the first request; None until that is read
        self.phase = IDLE
        self.polled = 0  # the epoll mask it is registered with, 0 when it is not
        self.data = b""  # read, not served
        self.deadline = 0.0  # `time.monotonic()`, seconds
        self.request: Any = None  # None, or the Request of the engine's kind
        self.work: Any = None  # a body's Collector, or a PendingAnswer
        self.closing = False  # the next answer is the last
        self.adopted = False
        self.tls = False
        self.client_socket: ClientSocket | None = None  # what an application got that may talk to its client by itself

    def movable(self, limit: int) -> bool:
        """True if another process can take it: no keys, no request runs, nothing to write, no body half read.

        `limit` is how many unserved bytes it may carry.
        """
        return self.phase <= HEAD and not self.tls and self.request is None and len(self.data) <= limit

    def waits_for(self, events: int = select.EPOLLIN) -> int:
        """What to wait for after a BlockingIOError: `events`, unless TLS wants otherwise."""
        return self.sock.wants or events if isinstance(self.sock, TlsSocket) else events
