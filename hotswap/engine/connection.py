"""One client connection and the phases it passes through while the loop owns it."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

from hotswap.engine.tls import TlsSocket

if TYPE_CHECKING:
    from hotswap.engine.head import Request
    from hotswap.engine.model import Environ, Peer, Service, Sock
    from hotswap.engine.raw import RawSocket

# Plain numbers, because the leading thread compares one for every request: IDLE is the falsy one.
IDLE = 0  #: between requests
HEAD = 1  #: some bytes of a head are there
BODY = 2  #: the loop collects a body
WRITE = 3  #: the loop writes the rest of an answer
FIN = 4  #: our side is shut down, the peer's FIN is awaited
HANDSHAKE = 5  #: a TLS handshake has not begun or is under way


class Connection:
    """A connection has one owner: the loop while it stands in `Core.owned`, else the thread that took it
    out of there.

    Only the owner touches it. Taking it out is `dict.pop`, which is atomic: whoever gets it has it, exactly
    once.
    """

    __slots__ = (
        "adopted", "closing", "data", "deadline", "fd", "peer", "phase", "polled", "proxy", "raw", "request",
        "service", "sock", "tls", "work",
    )  # fmt: skip

    def __init__(self, sock: Sock, service: Service, peer: Peer) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.service = service
        self.peer = peer
        self.proxy: Environ | None = None  # what a proxy said before the first request; None until that is read
        self.phase = IDLE
        self.polled = 0  # the epoll mask it is registered with, 0 when it is not
        self.data = b""  # read, not served
        self.deadline = 0.0
        self.request: Request | None = None
        self.work: Any = None  # a body's Collector, or an answer's Outbox
        self.closing = False  # the next answer is the last
        self.adopted = False
        self.tls = False
        self.raw: RawSocket | None = None  # what an application got that may talk to its client by itself

    def movable(self, limit: int) -> bool:
        """True if another process can take it: no keys, no request runs, nothing to write, no body half read."""
        return self.phase <= HEAD and not self.tls and self.request is None and len(self.data) <= limit

    def waits_for(self, events: int = select.EPOLLIN) -> int:
        """What to wait for after a BlockingIOError: `events`, unless TLS wants otherwise."""
        return self.sock.wants or events if isinstance(self.sock, TlsSocket) else events
