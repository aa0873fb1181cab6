"""The client's socket as a websocket library gets it, for the time of one request."""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

_T = TypeVar("_T")


class ClientSocket:
    """A socket in all but name, in blocking mode, that stays the engine's to close.

    Libraries go on reading in threads of their own after the application's call is over, and close the socket
    whenever they like: done to the real one, that would free a descriptor under the engine, or a number that is
    another client's by then. `taken`: the application has spoken with its client, so the engine may not any more.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._over = False
        self.taken = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def _in_use(self) -> socket.socket:
        if self._over:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        self.taken = True
        return self._sock

    def recv(self, *arguments: Any) -> bytes:
        return self._in_use().recv(*arguments)

    def recv_into(self, *arguments: Any) -> int:
        return self._in_use().recv_into(*arguments)

    def send(self, *arguments: Any) -> int:
        return self._in_use().send(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self._in_use().sendall(*arguments)

    def close(self) -> None:
        """From now on it is of no use; the engine ends the connection when the application's call is over."""
        self._over = True

    def wake(self) -> None:
        """Before the real socket is closed: let a thread that still reads from it read its end."""
        self.close()
        try:
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
        except OSError:  # the peer is gone
            pass


class TlsClientSocket(ClientSocket):
    """The same with TLS between: the SSLSocket is not blocking, and a thread that has to wait waits here.

    Libraries read in one thread and send in another. OpenSSL allows no two calls on a connection at once, and
    Python's ssl lets them happen (it has a lock since 3.13): records come out broken now and then.
    """

    def __init__(self, sock: ssl.SSLSocket) -> None:
        super().__init__(sock)
        self._timeout: float | None = None
        self._calling = threading.Lock()
        self._sending = threading.Lock()  # what could not be sent must be tried again before anything else is

    def _call(self, method: Callable[..., _T], *arguments: Any) -> _T:
        while True:
            with self._calling:
                sock = self._in_use()
                try:
                    return method(*arguments)
                except ssl.SSLWantReadError:
                    event = select.POLLIN
                except ssl.SSLWantWriteError:
                    event = select.POLLOUT
            poll = select.poll()
            poll.register(sock, event)
            if not poll.poll(None if self._timeout is None else self._timeout * 1000):
                raise TimeoutError("timed out")

    def recv(self, *arguments: Any) -> bytes:
        return self._call(self._sock.recv, *arguments)

    def recv_into(self, *arguments: Any) -> int:
        return self._call(self._sock.recv_into, *arguments)

    def send(self, *arguments: Any) -> int:
        with self._sending:
            return self._call(self._sock.send, *arguments)

    def sendall(self, data: Any, *arguments: Any) -> None:
        view = memoryview(data).cast("B")
        with self._sending:
            while view:
                view = view[self._call(self._sock.send, view, *arguments) :]

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        self._timeout = None if flag else 0.0

    def getblocking(self) -> bool:
        return self._timeout != 0

    def close(self) -> None:
        with self._calling:  # behind this line no thread is within OpenSSL, so that the engine may be
            super().close()


def client_socket(sock: Any, tls: ssl.SSLSocket | None) -> ClientSocket:
    """What the application gets for the engine's `sock`, behind which there may be `tls`."""
    if tls is not None:
        return TlsClientSocket(tls)
    sock.setblocking(True)  # what libraries expect
    return ClientSocket(cast(socket.socket, sock))
