"""The boards this process holds: closing a second descriptor of one of them would drop its locks (fcntl(2)).

So every opening asks here first, and every opening that cannot know the inode beforehand goes through an
O_PATH descriptor, which has no locks to drop when it is closed.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hotswap.system.scoreboard.board import Scoreboard


class Identity(NamedTuple):
    """Which file it is, whatever its name."""

    device: int
    inode: int


# Strong references, because a forgotten board would be collected, its mapping closed, and its locks lost.
BOARDS: dict[Identity, Scoreboard] = {}


def identity(status: os.stat_result) -> Identity:
    """The identity in a stat result."""
    return Identity(status.st_dev, status.st_ino)


def open_regular(path: str, flags: int, *, follow: bool, dir_fd: int | None = None) -> int | Scoreboard:
    """Open the regular file at `path`, or return the board of ours that it is. OSError if it is neither.

    A FIFO, a device or (without `follow`) a symbolic link is never opened.
    """
    anchor_flags = os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    anchor = os.open(path, anchor_flags, dir_fd=dir_fd)
    try:
        status = os.fstat(anchor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("not a regular file")
        if board := BOARDS.get(identity(status)):
            return board
        return os.open(f"/proc/self/fd/{anchor}", flags | os.O_CLOEXEC | os.O_NONBLOCK)
    finally:
        os.close(anchor)
