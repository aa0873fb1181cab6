"""recv(2) and send(2) without giving up the GIL, for when other threads want it.

Python releases the GIL around every call of a socket, also of one that never waits. Beside a thread that computes, each
release costs the loop a switch interval until it has the GIL again; beside threads that wake from what they waited for,
it costs both a change of threads. A call that cannot wait need not be left at all. Called through ctypes it costs half
a microsecond more, so while no other thread runs, Python's own are better.
"""

from __future__ import annotations

import ctypes
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hotswap.engine.base import Sock

_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


class GilHeldIo:
    """Socket calls for one engine. Only its leading thread receives: there is one buffer."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._buffer = bytearray(size)
        self._view = memoryview(self._buffer)
        self._address = ctypes.addressof((ctypes.c_char * size).from_buffer(self._buffer))
        library = ctypes.PyDLL(None)
        self._recv, self._send = library.recv, library.send
        self._recv.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        self._send.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
        self._recv.restype = self._send.restype = ctypes.c_ssize_t

    def recv(self, sock: Sock) -> bytes:
        """What is there to read, at most `size` bytes. Raises OSError, as the socket's own `recv`."""
        if sock.__class__ is socket.socket:  # and not TLS
            count = self._recv(sock.fileno(), self._address, self._size, _FLAGS)
            if count >= 0:
                return self._view[:count].tobytes()
        return sock.recv(self._size)

    def send(self, sock: Sock, data: bytes) -> int:
        """How many bytes were sent. Raises OSError, as the socket's own `send`."""
        if sock.__class__ is socket.socket:
            count: int = self._send(sock.fileno(), data, len(data), _FLAGS)
            if count >= 0:
                return count
        return sock.send(data)
