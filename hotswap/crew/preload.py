"""What must not be there when workers are forked: threads, which a fork does not copy, and connections, which all of
them would share. Loading the application is what makes them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import threading

from hotswap.errors import BootError

_REMEDY = (
    "start it in the post_fork or post_worker_init hook, or when the first request needs it; "
    "or load the application in each worker (hotswap run --no-preload), or serve from one process (workers=0)"
)


def check() -> None:
    """Raise BootError, which names them, if this process has threads or connections of the application's."""
    found = [f"the thread {name!r} was started" for name in threads()]
    found += [f"a connection to {peer} (descriptor {fd}) was opened" for fd, peer in connections()]
    if found:
        raise BootError(f"cannot fork workers: {', '.join(found)} before the fork: {_REMEDY}")


def threads() -> list[str]:
    """The names of all threads but the main one. Those that only C knows have handlers for a fork of their own."""
    return [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]


def connections() -> list[tuple[int, str]]:
    """The connected TCP and unix sockets that this process has opened itself: descriptor and peer."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        peer = _peer(int(name))
        if peer:
            found.append((int(name), peer))
    return sorted(found)


def _peer(fd: int) -> str:
    """Whom a connected stream socket of our own leads to; "" for everything else.

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
