"""Raw file descriptors: what a descriptor is, and how to give it another number without closing one in use."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Callable, Iterator

_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISREG, "regular file"),
    (stat.S_ISDIR, "directory"),
    (stat.S_ISLNK, "symbolic link"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISCHR, "character device"),
    (stat.S_ISBLK, "block device"),
    (stat.S_ISSOCK, "socket"),
)


def kind(mode: int) -> str:
    """Return what a file with this st_mode is, in words: "regular file", "directory", …"""
    return next((name for test, name in _KINDS if test(mode)), "special file")


def why_not_listening(fd: int) -> str:
    """Return "" if the descriptor is a listening stream socket, else what it is ("is not open", …)."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return "is not open"
    if not stat.S_ISSOCK(mode):
        return f"is a {kind(mode)}, not a socket"
    sock = socket.socket(fileno=fd)
    try:
        return _why_not_listening(sock)
    finally:
        sock.detach()


def is_datagram(fd: int) -> bool:
    """Return whether the descriptor is a datagram socket, such as one of UDP."""
    return why_not_listening(fd) == _DATAGRAM


def move_fd(fd: int, wanted: int) -> int:
    """Give a descriptor the number `wanted` if that is free; return the number it has now.

    For raw descriptors that no object owns yet. A descriptor that was moved is close-on-exec. Raises OSError if `fd` is
    not open.
    """
    if fd == wanted:
        return fd
    copy = _copy(fd, wanted)
    if copy is None:
        return fd
    os.close(fd if copy == wanted else copy)
    return copy if copy == wanted else fd


def move_up(fd: int, lowest: int) -> int:
    """Give a descriptor the first free number from `lowest` on, as `move_fd` does; return the number it has now."""
    copy = _copy(fd, lowest)
    if copy is None:
        return fd
    os.close(fd)
    return copy


_DATAGRAM = "is a datagram socket"


def _why_not_listening(sock: socket.socket) -> str:
    if sock.family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        return "is a socket, but neither of TCP nor of unix"
    if sock.type == socket.SOCK_DGRAM:
        return _DATAGRAM
    if sock.type != socket.SOCK_STREAM:
        return "is not a stream socket"
    return "" if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) else "is a socket that does not listen"


def _copy(fd: int, lowest: int) -> int | None:
    """Return a copy of `fd`, numbered `lowest` or the next free number above; None if no number is free there."""
    # F_DUPFD takes the first free number, so unlike dup2 it never closes a descriptor that other code has opened.
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.EINVAL):
            return None
        raise


@contextlib.contextmanager
def reserved(first: int, count: int) -> Iterator[None]:
    """Keep the descriptor numbers from `first` on free for `count` listeners, while log files and such are opened."""
    with contextlib.ExitStack() as held:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        held.callback(os.close, null)
        for number in range(first, first + count):
            got = fcntl.fcntl(null, fcntl.F_DUPFD_CLOEXEC, number)
            if got == number:
                held.callback(os.close, got)
            else:
                # Taken by the program, or by a listener that was passed.
                os.close(got)
        yield
