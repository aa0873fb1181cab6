"""Byte locks that tell which processes live: the kernel drops a process's locks when it ends, in whatever way it ends.

POSIX record locks (fcntl(2)), not flock or OFD locks, because only for these the kernel tells a third process which
process holds one, and only these stay with one process: a forked child has none of its parent's. Their price: the
kernel drops them when the process closes *any* descriptor of the file. So a process opens a board once, and keeps it
open (`open_boards`).
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from hotswap.scoreboard import layout

# struct flock: type, whence, start, length, pid; native alignment, padded at its end as the compiler does.
_FLOCK: Final = struct.Struct("hhqqi0q")


class Held(NamedTuple):
    """A locked stretch of a file, and the pid of its holder in this process's pid namespace."""

    start: int
    stop: int
    pid: int


def try_lock(fd: int, at: int, length: int = 1) -> bool:
    """Lock bytes without waiting; return False if another process holds one of them. `fd` must be writable."""
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, length, at)
    except (BlockingIOError, PermissionError):  # POSIX allows both EAGAIN and EACCES
        return False
    return True


def unlock(fd: int, at: int, length: int = 1) -> None:
    """Give up this process's locks on the bytes."""
    fcntl.lockf(fd, fcntl.LOCK_UN, length, at)


def holder(fd: int, start: int, stop: int) -> Held | None:
    """Return one lock of another process inside `[start, stop)`, not always the first; None if there is none.

    The kernel never reports this process's own locks (fcntl(2), F_GETLK). A read-only descriptor will do.
    """
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, stop - start, 0)
    kind, _, first, length, pid = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, asked))
    if kind == fcntl.F_UNLCK:
        return None
    end = stop if length == 0 else min(stop, first + length)  # length 0: to the end of the file, however far
    return Held(max(start, first), end, pid)


def holders(fd: int, start: int, stop: int) -> Iterator[Held]:
    """Yield every lock of other processes inside `[start, stop)`, in no order; `2n + 1` system calls for n locks.

    The kernel answers with any lock in the range (its list is sorted by owner), so both sides of that lock are asked
    for again.
    """
    left = [(start, stop)]
    while left:
        start, stop = left.pop()
        if start < stop and (found := holder(fd, start, stop)):
            yield found
            left += [(start, found.start), (found.stop, stop)]


def slots_of(lock: Held, byte: int = 0) -> range:
    """Return the indexes of the slots of which that byte lies inside a locked stretch."""
    first = -(-(lock.start - byte - layout.SLOTS_AT) // layout.SLOT_SIZE)
    return range(first, -(-(lock.stop - byte - layout.SLOTS_AT) // layout.SLOT_SIZE))


def same_process(seen: int, recorded: int) -> bool:
    """Return whether pid `seen` in this pid namespace is the process whose pid is `recorded` in its own.

    The two differ where a command looks into a container. Then the pid in the process's own namespace is the last
    number of NSpid (proc_pid_status(5)).
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
