"""How a command gets to a board: by path, by the pid of a process on it, or by searching the run directories.

Commands only read, with `pread` instead of a mapping: a file that shrinks under a mapping kills its reader
with SIGBUS.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hotswap.errors import NoSuchServer
from hotswap.system import rundir
from hotswap.system.scoreboard import files, held, layout

if TYPE_CHECKING:
    from hotswap.system.scoreboard.board import Scoreboard


class PreadMemory:
    """A board read from its file piece by piece."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def peek(self, at: int, size: int) -> bytes:
        """See `layout.Memory`."""
        return os.pread(self._fd, size, at).ljust(size, b"\0")


def at_path(path: str, *, follow: bool = True, dir_fd: int | None = None) -> int | Scoreboard:
    """Open the board at `path` for reading: a descriptor, or the board of this process that it is.

    OSError if it is no readable regular file, layout.ScoreboardError if it is no board.
    """
    opened = held.open_regular(path, os.O_RDONLY, follow=follow, dir_fd=dir_fd)
    if isinstance(opened, int):
        try:
            layout.check(PreadMemory(opened))
        except layout.ScoreboardError:
            os.close(opened)
            raise
    return opened


def of_pid(pid: int) -> Iterator[int | Scoreboard]:
    """Every board that process `pid` has open, as `at_path`. NoSuchServer if we see no such process."""
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")
    except (FileNotFoundError, ProcessLookupError) as error:
        raise NoSuchServer(f"no process has pid {pid}") from error
    except PermissionError as error:
        cause = f"cannot look at pid {pid} (permission denied): run this as the user it runs as, or as root"
        raise NoSuchServer(cause) from error
    for number in sorted(numbers, key=int):
        try:
            yield from _if_board(f"/proc/{pid}/fd/{number}")
        except (OSError, layout.ScoreboardError):
            continue  # closed meanwhile, or some other file of that size


def in_run_dirs(run_dir: str | None) -> Iterator[int | Scoreboard]:
    """Every board in the run directories, as `at_path`, dead ones too; what cannot be read is passed over."""
    for directory in rundir.to_search(run_dir):
        try:
            for name in sorted(os.listdir(directory.fd)):
                if name.endswith(files.SUFFIX):
                    yield from _if_readable(name, directory.fd)
        finally:
            os.close(directory.fd)


def _if_board(link: str) -> Iterator[int | Scoreboard]:
    if os.stat(link).st_size == layout.SIZE:  # what else a process has open need not be touched
        yield at_path(link)


def _if_readable(name: str, dir_fd: int) -> Iterator[int | Scoreboard]:
    try:
        opened = at_path(name, follow=False, dir_fd=dir_fd)
    except (OSError, layout.ScoreboardError):
        return
    yield opened
