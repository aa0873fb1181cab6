"""Writes to standard error, to which other processes write as well, without ever waiting for its reader.

O_NONBLOCK is no way to do that: it belongs to the open file description (fcntl(2)), and every other process that has
the same one, such as a child of the application, would see EAGAIN.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Callable

#: pwritev2(2): this one call does not wait. 0 where the C library does not know the flag.
_NO_WAIT: int = getattr(os, "RWF_NOWAIT", 0)
#: The offset that means the current position (pwritev2(2)): where a write(2) would write.
_AT_THE_END = -1


def write_now(fd: int, data: bytes) -> int:
    """Write as much of `data` as `fd` takes without waiting; return how many bytes that is. From any thread.

    Raises OSError as write(2) does: EPIPE if the reader has gone.
    """
    write = _write_without_waiting if _NO_WAIT and is_pipe_or_socket(fd) else write_if_writable
    return _in_pieces(lambda piece: write(fd, piece), data)


def write_if_writable(fd: int, piece: bytes) -> int:
    """Write at most PIPE_BUF bytes if poll(2) finds room; return how many. For files, and for Linux before 6.4.

    A pipe that is writable has a free page (pipe(7)), so the piece fits, unless another process takes that page
    between the two calls: then this waits for the pipe's reader.
    """
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return os.write(fd, piece) if poll.poll(0) else 0


def _in_pieces(write: Callable[[bytes], int], data: bytes) -> int:
    written = 0
    while written < len(data):
        count = write(data[written : written + select.PIPE_BUF])
        if count == 0:
            break
        written += count
    return written


def _write_without_waiting(fd: int, piece: bytes) -> int:
    try:
        return os.pwritev(fd, [piece], _AT_THE_END, _NO_WAIT)
    except BlockingIOError:
        return 0
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
    return write_if_writable(fd, piece)


def is_pipe_or_socket(fd: int) -> bool:
    """Whether a write may wait for a reader. A file system may say EAGAIN, but for other reasons."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
