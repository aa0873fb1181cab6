"""A TLS socket that says "not now" as plain ones do.

An `ssl.SSLSocket` tells apart whether it wants to read or to write; the engine asks its sockets one thing only, so
this one raises BlockingIOError and remembers what it wants. It never leaves decrypted bytes behind: those raise no
event in epoll.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from hotswap.engine.base import Sock

_T = TypeVar("_T")


class TlsSocket:
    """The server's end of a TLS connection: non-blocking, with the methods that the engine calls on any socket.

    `ssl_socket` is the SSLSocket behind it, for applications that talk to their client directly; `wants` is, after a
    BlockingIOError, what has to be waited for (POLLIN or POLLOUT).
    """

    __slots__ = ("_over", "ssl_socket", "wants")

    def __init__(self, ssl_socket: ssl.SSLSocket) -> None:
        self.ssl_socket = ssl_socket
        self.wants = 0
        self._over = False  # our close_notify is sent

    def _try(self, call: Callable[..., _T], *arguments: Any) -> _T:
        try:
            return call(*arguments)
        except ssl.SSLWantReadError:
            self.wants = select.POLLIN
        except ssl.SSLWantWriteError:
            self.wants = select.POLLOUT
        raise BlockingIOError

    def handshake(self) -> None:
        """Go on with the handshake; returns when it is done. Raises BlockingIOError, ssl.SSLError, OSError."""
        self._try(self.ssl_socket.do_handshake)

    def recv(self, size: int) -> bytes:
        """What is there, perhaps a record's rest more than `size`; b"" at the end. Behind our close, ciphertext."""
        if self._over:
            return socket.socket.recv(self.ssl_socket, size)
        data = self._try(self.ssl_socket.recv, size)
        left = self.ssl_socket.pending() if data else 0
        return data + self.ssl_socket.recv(left) if left else data

    def send(self, data: bytes | memoryview) -> int:
        """Send one record; after a BlockingIOError the same bytes must be sent first (SSL_write(3))."""
        return self._try(self.ssl_socket.send, data)

    def sendmsg(self, parts: tuple[bytes, ...]) -> int:
        """Send from the first part."""
        return self.send(parts[0])

    def shutdown(self, how: int) -> None:
        """close_notify, then our FIN. SHUT_RDWR only cuts, so that it may be called while another thread sends."""
        if how == socket.SHUT_WR:
            try:
                self.ssl_socket.unwrap()
            except (OSError, ValueError):
                pass  # WANT_READ is the rule: ours is sent, and the peer's is not waited for
            self._over = True
        socket.socket.shutdown(self.ssl_socket, how)  # SSLSocket's own would free what that thread works with

    def close(self) -> None:
        self.ssl_socket.close()

    def detach(self) -> None:
        """Forget the number, and leave it open: it is another connection's."""
        self.ssl_socket.detach()
        self.ssl_socket.close()  # OpenSSL has the number as well, and would go on reading and writing there

    def fileno(self) -> int:
        return self.ssl_socket.fileno()

    def getsockname(self) -> Any:
        return self.ssl_socket.getsockname()

    def setblocking(self, flag: bool) -> None:
        self.ssl_socket.setblocking(flag)

    def plain(self) -> socket.socket:
        """The socket without TLS, for a peer that does not speak it."""
        return socket.socket(fileno=self.ssl_socket.detach())


class ServerTls:
    """What makes the server's end of TLS connections. `ragged`: an end without close_notify is an end too."""

    def __init__(self, context: ssl.SSLContext, *, ragged: bool) -> None:
        self._context = context
        self._ragged = ragged

    def wrap(self, sock: Sock) -> TlsSocket:
        """Take over `sock`, before its first byte is read. Raises OSError, ValueError if its peer has gone."""
        return TlsSocket(
            self._context.wrap_socket(
                cast(socket.socket, sock),
                server_side=True,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=self._ragged,
            )
        )
