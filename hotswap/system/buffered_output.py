"""What the program has printed and Python has not written yet: after a fork two processes have it, and one writes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import sys
import termios
from collections.abc import Iterator
from typing import TextIO

from hotswap.system.write_now import is_pipe_or_socket


def flush_where_read() -> None:
    """Called in the parent before the fork, on its main thread: write it, so that it stands in the log in its place.

    Not into a pipe or socket that has something unread: the flush would wait for the reader, perhaps for ever, and the
    main loop with it. Never raises.
    """
    for stream in _streams():
        with contextlib.suppress(Exception):  # the stream is closed, or is no file at all
            if not (is_pipe_or_socket(stream.fileno()) and _unread(stream.fileno())):
                stream.flush()


def forget() -> None:
    """Called in the child after the fork, before it has a second thread: drop what is left, which the parent writes.

    Never raises.
    """
    for stream in _streams():
        with contextlib.suppress(Exception), _to_nowhere(stream.fileno()):
            stream.flush()


def _streams() -> list[TextIO]:
    return [stream for stream in (sys.stdout, sys.stderr) if stream is not None]


def _unread(fd: int) -> int:
    """Return how many bytes a pipe's reader has not read (pipe(7)), or a socket's peer (unix(7), tcp(7))."""
    for request in (termios.TIOCOUTQ, termios.FIONREAD):
        with contextlib.suppress(OSError):  # a pipe answers FIONREAD only, a socket both
            (count,) = struct.unpack("i", fcntl.ioctl(fd, request, b"\0\0\0\0"))
            return int(count)
    return 0


@contextlib.contextmanager
def _to_nowhere(fd: int) -> Iterator[None]:
    kept, inheritable = os.dup(fd), os.get_inheritable(fd)
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.dup2(null, fd, inheritable)
        yield
    finally:
        os.dup2(kept, fd, inheritable)
        os.close(null)
        os.close(kept)
