"""A notify socket of the starter's own: a worker that speaks sd_notify(3) says there when it is ready."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Callable

from hotswap.system.process_parent import parent_of

_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid
_GENERATIONS = 8


class ReadySocket:
    """`name` is for the workers' NOTIFY_SOCKET. Used on the main thread."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        # The kernel chooses a free abstract name (unix(7), autobind), which lives as long as this descriptor.
        self._sock.bind("")
        # Any process of this machine can send to it; the kernel tells which one has.
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.name = "@" + os.fsdecode(self._sock.getsockname()[1:])

    def fileno(self) -> int:
        """To be watched."""
        return self._sock.fileno()

    def receive(self, is_ready: Callable[[int], object]) -> None:
        """Read what has come; call `is_ready(pid)` for each process that says READY=1, and for those above it."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data, ancillary, _, _ = self._sock.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
                if b"READY=1" in data.split(b"\n"):
                    for _, _, credentials in ancillary:
                        _tell_upwards(_CREDENTIALS.unpack(credentials)[0], is_ready)


def _tell_upwards(pid: int, is_ready: Callable[[int], object]) -> None:
    """A worker may be a shell that has not executed the program in its own place."""
    for _ in range(_GENERATIONS):
        if pid <= 1:
            return
        is_ready(pid)
        pid = parent_of(pid)
