"""What a fork does not copy as one would wish: threads, which the child has not, and connections, which both have."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import threading
from typing import NamedTuple


class Unforkable(NamedTuple):
    """The threads of this process but for the main one, and its connections: descriptor and peer."""

    threads: tuple[threading.Thread, ...] = ()
    connections: tuple[tuple[int, str], ...] = ()

    @classmethod
    def now(cls) -> Unforkable:
        """Those that there are."""
        return cls(tuple(other_threads()), tuple(connections()))

    def without(self, known: Unforkable) -> Unforkable:
        """Those that are not among the `known`."""
        return Unforkable(
            tuple(thread for thread in self.threads if thread not in known.threads),
            tuple(each for each in self.connections if each not in known.connections),
        )

    def words(self) -> list[str]:
        """Each, for a sentence."""
        return [
            *(f"the thread {thread.name!r}" for thread in self.threads),
            *(f"a connection to {peer} (descriptor {fd})" for fd, peer in self.connections),
        ]


def other_threads() -> list[threading.Thread]:
    """All but the main one. Those that only C knows are left out: they have handlers for a fork of their own."""
    return [thread for thread in threading.enumerate() if thread is not threading.main_thread()]


def connections() -> list[tuple[int, str]]:
    """The connected TCP and unix sockets that this process has opened itself: descriptor and peer."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        peer = _peer(int(name))
        if peer:
            found.append((int(name), peer))
    return sorted(found)


def _peer(fd: int) -> str:
    """The peer of a connected stream socket of our own; "" for everything else.

    What was inherited (standard error is a unix socket under systemd) is not close-on-exec, what Python and client
    libraries open is. A unix peer without a name is the other end of a pair: both ends are here.
    """
    if fd <= 2:
        return ""
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(os.fstat(fd).st_mode) and fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC:
            sock = socket.socket(fileno=fd)
            try:
                return _text(sock)
            finally:
                sock.detach()
    return ""


def _text(sock: socket.socket) -> str:
    """Raises OSError where there is no peer."""
    if sock.type != socket.SOCK_STREAM:
        return ""
    peer = sock.getpeername()
    if sock.family == socket.AF_UNIX:
        return f"unix:{os.fsdecode(peer)}" if peer else ""
    return f"{peer[0]}:{peer[1]}" if sock.family in (socket.AF_INET, socket.AF_INET6) else ""
