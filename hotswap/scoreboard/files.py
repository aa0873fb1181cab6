"""A board's file: it is whole before it has a name, and never takes the place of a living server's file.

A server makes the file under a name that commands do not look at, and renames it when it is whole and locked. It locks
the file that has the wanted name first: that fails while any process has a slot there, and of two servers that want the
name of the same dead file only one gets the lock. A server killed on the way leaves a dead file; the next server takes
its name, or sweeps it away.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
import zlib
from collections.abc import Iterator
from typing import Final

from hotswap.scoreboard import layout, locks, open_boards, signpost
from hotswap.scoreboard.run_directory import RunDir

SUFFIX: Final = ".board"
_ASIDE: Final = ".new"
_SAME_NAME: Final = 100
_STEM_BYTES: Final = 160
# Opening a link, a directory, a device or another user's file fails with one of these.
_FOREIGN: Final = frozenset({errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EACCES, errno.EPERM})
_SWEEP_AFTER: Final = 60.0  # seconds: a file just made may not be locked yet

_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:@[]+=,")


def create(directory: RunDir, name: str) -> int:
    """Make a board in `directory`, named after `name`; return its descriptor, locked. Raises OSError on a full disk."""
    _sweep(directory.fd)
    aside = _aside()
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(aside, flags, 0o600, dir_fd=directory.fd)
    try:
        fill(fd, name)
        claim(directory.fd, aside, name)
    except BaseException:  # whatever it is: no half board stays behind
        os.close(fd)
        _unlink(aside, directory.fd)
        raise
    return fd


def _aside() -> str:
    return f"{os.getpid()}-{time.monotonic_ns()}{_ASIDE}"


def create_in_memory(name: str) -> int:
    """Make a board without a path, which commands find through `/proc/PID/fd`; return its descriptor."""
    fd = os.memfd_create("hotswap", os.MFD_CLOEXEC)
    try:
        fill(fd, name)
    except BaseException:
        os.close(fd)
        raise
    return fd


def fill(fd: int, name: str) -> None:
    """Reserve every byte of a new board, write its first page and lock it."""
    # Every byte, because a page that cannot be stored later is a SIGBUS, not an error.
    os.posix_fallocate(fd, 0, layout.FULL_SIZE)
    os.pwrite(fd, layout.first_page(name, time.time(), os.getpid()), 0)
    locks.try_lock(fd, 0)  # before the file has a name, because an unlocked board counts as dead


def complete(fd: int) -> int:
    """Make a board of a release that knows no tallies as long as ours; return how many of its bytes can be used."""
    with contextlib.suppress(OSError):  # a full disk: then it is as good as it was
        os.posix_fallocate(fd, 0, layout.FULL_SIZE)
    return layout.FULL_SIZE if os.fstat(fd).st_size >= layout.FULL_SIZE else layout.SIZE


def claim(dir_fd: int, source: str, name: str) -> None:
    """Rename `source` to the first file name for `name` that no living server has. Raises OSError."""
    for wanted in file_names(name):
        if wanted == source or _replace(dir_fd, source, wanted):
            return
    raise FileExistsError(f"{_SAME_NAME} servers named {name!r}")


def file_names(name: str) -> Iterator[str]:
    """Yield the names for a server's file: `NAME.board`, or `NAME~2.board` … while other servers have those."""
    raw = name.encode("utf-8", "backslashreplace")
    stem = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in raw)
    if stem.startswith("."):
        stem = f"%2E{stem[1:]}"
    if len(stem) > _STEM_BYTES:
        stem = f"{stem[:_STEM_BYTES]}~{zlib.crc32(raw):08x}"
    yield f"{stem}{SUFFIX}"
    for number in range(2, _SAME_NAME):
        yield f"{stem}~{number}{SUFFIX}"


def path_of(fd: int) -> str | None:
    """Return the path of the file of `fd`; None for a memfd and a removed file."""
    link = f"/proc/self/fd/{fd}"
    try:
        path = os.readlink(link)
        while not _is_at(path, fd):
            # The file is gone, or another process has renamed it after the readlink.
            path, before = os.readlink(link), path
            if path == before:
                return None
    except OSError:
        return None
    return path


def _is_at(path: str, fd: int) -> bool:
    try:
        return open_boards.identity(os.lstat(path)) == open_boards.identity(os.fstat(fd))
    except FileNotFoundError:
        return False


def unlink(fd: int) -> None:
    """Remove the file of `fd` if its path still leads to it; do nothing if this process may not (any more)."""
    if path := path_of(fd):
        _unlink(path)


def take_down(path: str, fd: int) -> None:
    """Remove the signpost at `path`, if it is this process's for `fd`."""
    if signpost.is_up(path, fd):
        _unlink(path)


def rename(fd: int, name: str) -> None:
    """Name the file of `fd` after `name`; leave its old name if this process may not write there (any more)."""
    path = path_of(fd)
    if path is None:
        return
    directory, _, old = path.rpartition("/")
    try:
        dir_fd = os.open(directory or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        claim(dir_fd, old, name)
    except OSError:
        return
    finally:
        os.close(dir_fd)


def name_again(directory: RunDir, fd: int, name: str) -> str:
    """Have a signpost named after `name` lead to the file of `fd`, which has no name any more; return its path.

    One that another generation has put up for the same board is replaced, also one of another name. Raises OSError.
    """
    aside = _aside()
    os.symlink(signpost.target(fd), aside, dir_fd=directory.fd)
    try:
        chosen = _put_up(directory.fd, aside, fd, name)
    except BaseException:
        _unlink(aside, directory.fd)
        raise
    for other in os.listdir(directory.fd):
        if other != chosen and other.endswith(SUFFIX) and signpost.leads_to(other, directory.fd, fd):
            _unlink(other, directory.fd)
    return f"{directory.path}/{chosen}"


def _put_up(dir_fd: int, aside: str, fd: int, name: str) -> str:
    for wanted in file_names(name):
        if signpost.leads_to(wanted, dir_fd, fd):
            os.rename(aside, wanted, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
            return wanted
        if _replace(dir_fd, aside, wanted):
            return wanted
    raise FileExistsError(f"{_SAME_NAME} servers named {name!r}")


def _replace(dir_fd: int, source: str, wanted: str) -> bool:
    """Rename `source` over `wanted`, missing or dead; return False if that is alive, or no board of this user."""
    while True:
        try:
            if open_boards.identity(os.lstat(wanted, dir_fd=dir_fd)) in open_boards.BOARDS:
                return False
        except FileNotFoundError:
            pass
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            fd = os.open(wanted, flags, 0o600, dir_fd=dir_fd)
        except OSError as error:
            if error.errno not in _FOREIGN:
                raise
            if signpost.is_dead(wanted, dir_fd) and _unlink(wanted, dir_fd):
                continue
            return False
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode) or not locks.try_lock(fd, 0, layout.SIZE):
                return False
            if _still(dir_fd, wanted, fd):
                os.rename(source, wanted, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
                return True
        finally:
            os.close(fd)  # only after the rename, because until then the lock keeps other servers from this name
        # Another server took the name between open and lock: look at the file that has it now.


def _still(dir_fd: int, name: str, fd: int) -> bool:
    try:
        status = os.lstat(name, dir_fd=dir_fd)
    except FileNotFoundError:
        return False
    return open_boards.identity(status) == open_boards.identity(os.fstat(fd))


def _sweep(dir_fd: int) -> None:
    """Remove boards that no process lives on: their servers were killed."""
    for name in os.listdir(dir_fd):
        if name.endswith((SUFFIX, _ASIDE)):
            _remove_dead(dir_fd, name)


def _remove_dead(dir_fd: int, name: str) -> None:
    try:
        status = os.lstat(name, dir_fd=dir_fd)
        if time.time() - status.st_mtime < _SWEEP_AFTER or open_boards.identity(status) in open_boards.BOARDS:
            return
        if signpost.is_dead(name, dir_fd):
            _unlink(name, dir_fd)
            return
        opened = open_boards.open_regular(name, os.O_RDWR, follow=False, dir_fd=dir_fd)
    except OSError:
        return
    if not isinstance(opened, int):
        return
    try:
        if locks.try_lock(opened, 0, layout.SIZE) and _still(dir_fd, name, opened):
            _unlink(name, dir_fd)
    finally:
        os.close(opened)


def _unlink(path: str, dir_fd: int | None = None) -> bool:
    """Return whether it is gone. If its directory is not writable any more it stays: a dead file does no harm."""
    try:
        os.unlink(path, dir_fd=dir_fd)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
