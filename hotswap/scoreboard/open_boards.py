"""The boards that this process has open: closing a second descriptor of one would drop its locks (fcntl(2)).

So code that opens a board looks here first; where it cannot know the inode beforehand, it opens the file with O_PATH:
closing such a descriptor drops no locks.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple, Protocol


class OpenBoard(Protocol):
    """What this module knows of a `board.Scoreboard`, which imports this module."""

    def fileno(self) -> int: ...
    def forget_in_child(self) -> None: ...


class Identity(NamedTuple):
    """Tells which file it is, whatever its name."""

    device: int
    inode: int


# Strong references: a board that no other object refers to would be collected, its mapping closed, and its locks lost.
BOARDS: dict[Identity, OpenBoard] = {}


def identity(status: os.stat_result) -> Identity:
    """Return the identity in a stat result."""
    return Identity(status.st_dev, status.st_ino)


def open_regular(path: str, flags: int, *, follow: bool, dir_fd: int | None = None) -> int | OpenBoard:
    """Open the regular file at `path`, or return the board itself if this process has it open.

    Raises OSError if it cannot be opened, or is no regular file; a FIFO, a device or (without `follow`) a symbolic link
    is never opened for reading.
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


def _forget_in_child() -> None:
    for board in BOARDS.values():
        board.forget_in_child()


os.register_at_fork(after_in_child=_forget_in_child)
