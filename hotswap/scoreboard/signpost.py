"""The name of a board that has lost its own: its file was deleted, or the directory with it (a tmp cleaner, a logout).

A file without a name gets none again (linkat(2): ENOENT where the link count is 0), and a second board would part the
generations, for each would see half of the processes. So the board stays, and a symbolic link leads to the descriptor
of a process that has it: NAME.board -> /proc/PID/fd/N. Commands follow such a link and no other.
"""

from __future__ import annotations

import os
import re

from hotswap.scoreboard import layout, locks, open_boards

_TARGET = re.compile(r"/proc/[1-9]\d*/fd/\d+")


def target(fd: int) -> str:
    """Return where a link to this process's descriptor has to lead."""
    return f"/proc/{os.getpid()}/fd/{fd}"


def is_up(path: str, fd: int) -> bool:
    """Return whether `path` is this process's signpost to the file of `fd`; "" is none."""
    try:
        return os.readlink(path) == target(fd)
    except OSError:
        return False


def read(name: str, dir_fd: int) -> str:
    """Return where the signpost `name` leads to; "" if there is none of this name."""
    try:
        led = os.readlink(name, dir_fd=dir_fd)
    except OSError:
        return ""
    return led if _TARGET.fullmatch(led) else ""


def leads_to(name: str, dir_fd: int, fd: int) -> bool:
    """Return whether `name` is a signpost to the file of `fd`, whatever process it names."""
    try:
        led = read(name, dir_fd)
        return bool(led) and open_boards.identity(os.stat(led)) == open_boards.identity(os.fstat(fd))
    except OSError:
        return False


def is_dead(name: str, dir_fd: int) -> bool:
    """Return whether `name` is a signpost to no board on which a process lives."""
    led = read(name, dir_fd)
    if not led:
        return False
    try:
        if not layout.may_be_board(os.stat(led).st_size):
            return True
        opened = open_boards.open_regular(led, os.O_RDONLY, follow=True)
    except OSError:
        return True
    if not isinstance(opened, int):
        return False
    try:
        return locks.holder(opened, layout.SLOTS_AT, layout.SLOTS_END) is None
    finally:
        os.close(opened)
