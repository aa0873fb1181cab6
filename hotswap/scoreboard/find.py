"""How a command finds a board: by its path, by the pid of a process on it, or by searching run directories and
processes.

Commands only read, with `pread` instead of a mapping: a file that shrinks under a mapping kills its reader with SIGBUS.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

from hotswap.errors import NoSuchServer
from hotswap.scoreboard import files, layout, open_boards, run_search, signpost
from hotswap.scoreboard.open_boards import OpenBoard

#: How the titles of a server's processes begin (`hotswap.system.process_title`).
TITLE: Final = "hotswap: "


class PreadMemory:
    """A board read from its file piece by piece."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def peek(self, at: int, size: int) -> bytes:
        """See `layout.Memory`."""
        return os.pread(self._fd, size, at).ljust(size, b"\0")


def at_path(path: str, *, follow: bool = True, dir_fd: int | None = None) -> int | OpenBoard:
    """Open the board at `path` for reading; return a descriptor, or the board itself if this process has it open.

    Raises OSError if it is no readable regular file, layout.ScoreboardError if it is no board.
    """
    opened = open_boards.open_regular(path, os.O_RDONLY, follow=follow, dir_fd=dir_fd)
    if isinstance(opened, int):
        try:
            layout.check(PreadMemory(opened))
        except layout.ScoreboardError:
            os.close(opened)
            raise
    return opened


def of_pid(pid: int) -> Iterator[int | OpenBoard]:
    """Yield every board that process `pid` has open, as `at_path` returns it.

    Raises NoSuchServer if there is no such process, or this user may not look at it.
    """
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
            continue  # the process has closed it meanwhile, or it is another file of that size


def in_run_dirs(run_dir: str | None) -> Iterator[int | OpenBoard]:
    """Yield every board in the run directories, as `at_path` returns it, dead ones too, but none that cannot be read.

    If a server renames its board meanwhile, the other boards may come twice.
    """
    for directory in run_search.to_search(run_dir):
        try:
            while not (yield from _in_directory(directory.fd)):
                pass
        finally:
            os.close(directory.fd)


def in_processes() -> Iterator[int | OpenBoard]:
    """Yield the boards that processes with our title have open, as `at_path` returns them, the same one several times.

    That finds a board whose directory the command cannot reach by its name: of a service with PrivateTmp=, in a
    container, in memory, or deleted.
    """
    for name in os.listdir("/proc"):
        if name.isdigit() and _comm(name).startswith(TITLE):
            with contextlib.suppress(NoSuchServer):
                yield from of_pid(int(name))


def _comm(pid: str) -> str:
    """The first 15 bytes of a process's title (proc_pid_comm(5)), which any user may read."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace")
    except OSError:
        return ""


def _in_directory(dir_fd: int) -> Generator[int | OpenBoard, None, bool]:
    """Yield the boards of one directory; return False if a file was gone between the listing and the opening: a restart
    that changes the server's name renames it, and the caller must list the directory again."""
    complete = True
    for name in sorted(os.listdir(dir_fd)):
        if name.endswith(files.SUFFIX):
            led = signpost.read(name, dir_fd)
            try:
                opened = at_path(led) if led else at_path(name, follow=False, dir_fd=dir_fd)
            except FileNotFoundError:
                if led:
                    continue  # to a process that has ended
                complete = False
            except (OSError, layout.ScoreboardError):
                continue
            else:
                yield opened
    return complete


def _if_board(link: str) -> Iterator[int | OpenBoard]:
    if layout.may_be_board(os.stat(link).st_size):  # other files that the process has open are not touched
        yield at_path(link)
