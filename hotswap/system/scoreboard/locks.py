"""Byte locks that say who lives: the kernel drops them when their process ends, in whatever way it ends.

POSIX record locks (fcntl(2)), not flock or OFD locks, because only these tell a third process who holds them,
and only these stay with one process: a forked child has none of its parent's. Their price: they are dropped
when the process closes *any* descriptor of the file. So a process opens a board once, and keeps it open
(`held`).
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

# struct flock: type, whence, start, length, pid; native alignment, padded at its end as the compiler does.
_FLOCK: Final = struct.Struct("hhqqi0q")


class Held(NamedTuple):
    """A locked stretch of a file, and the pid that holds it as this process's pid namespace sees it."""

    start: int
    stop: int
    pid: int


def try_lock(fd: int, at: int, length: int = 1) -> bool:
    """Lock bytes without waiting; False if another process holds one of them. `fd` must be writable."""
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, length, at)
    except (BlockingIOError, PermissionError):  # POSIX allows both EAGAIN and EACCES
        return False
    return True


def unlock(fd: int, at: int, length: int = 1) -> None:
    """Give up this process's locks on the bytes."""
    fcntl.lockf(fd, fcntl.LOCK_UN, length, at)


def holder(fd: int, start: int, stop: int) -> Held | None:
    """One lock of another process inside `[start, stop)`, not always the first; None if there is none.

    This process's own locks are never reported (fcntl(2), F_GETLK). A read-only descriptor will do.
    """
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, stop - start, 0)
    kind, _, first, length, pid = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, asked))
    if kind == fcntl.F_UNLCK:
        return None
    end = stop if length == 0 else min(stop, first + length)  # length 0: to the end of the file, however far
    return Held(max(start, first), end, pid)


def holders(fd: int, start: int, stop: int) -> Iterator[Held]:
    """Every lock of other processes inside `[start, stop)`, in no order; `2n + 1` questions for n locks.

    The kernel answers with any lock in the range (its list is sorted by owner), so both sides of it are asked
    again.
    """
    left = [(start, stop)]
    while left:
        start, stop = left.pop()
        if start < stop and (found := holder(fd, start, stop)):
            yield found
            left += [(start, found.start), (found.stop, stop)]


def same_process(seen: int, recorded: int) -> bool:
    """Whether pid `seen` from here is the process that knows itself as `recorded`.

    They differ where a command looks into a container. Then the process's pid in its own namespace is the
    last number of NSpid (proc_pid_status(5)).
    """
    if seen <= 0:
        return False
    if seen == recorded:
        return True
    try:
        with open(f"/proc/{seen}/status", encoding="ascii", errors="replace") as status:
            names = next((line for line in status if line.startswith("NSpid:")), "")
    except OSError:
        return False
    return names.split()[2:][-1:] == [str(recorded)]
