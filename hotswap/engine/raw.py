"""The client's socket as a websocket library gets it, for the time of one request."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any


class RawSocket:
    """A socket in all but name, in blocking mode, that stays the engine's to close.

    Libraries go on reading in threads of their own after the application's call is over, and close the socket
    whenever they like: done to the real one, that would free a descriptor under the engine, or a number that is
    another client's by then. `taken`: the application has spoken with its client, so nobody else may.
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
        self._over = True
        try:
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
        except OSError:  # the peer is gone
            pass
