"""A board's file: whole before it has a name, and never put in the place of a living server's.

The file is made under a name that commands do not look at, and renamed when it is whole and locked. Whoever
wants a name first locks the file that has it: that fails while any process lives there, and two that want the
same dead file cannot both have it. A server killed on the way leaves a dead file; the next one takes its
name, or sweeps it away.
"""

from __future__ import annotations

import errno
import os
import stat
import time
import zlib
from collections.abc import Iterator
from typing import Final

from hotswap.system.rundir import RunDir
from hotswap.system.scoreboard import held, layout, locks

SUFFIX: Final = ".board"
_ASIDE: Final = ".new"
_SAME_NAME: Final = 100
_STEM_BYTES: Final = 160
# What opening a link, a directory, a device or another user's file says.
_FOREIGN: Final = frozenset({errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EACCES, errno.EPERM})
_SWEEP_AFTER: Final = 60.0  # seconds: a file just made may not be locked yet

_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:@[]+=,")


def create(directory: RunDir, name: str) -> int:
    """A new board in `directory`, named after `name`: its descriptor, locked. OSError on a full disk."""
    _sweep(directory.fd)
    aside = f"{os.getpid()}-{time.monotonic_ns()}{_ASIDE}"
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


def create_in_memory(name: str) -> int:
    """A board without a path, found through `/proc/PID/fd`."""
    fd = os.memfd_create("hotswap", os.MFD_CLOEXEC)
    try:
        fill(fd, name)
    except BaseException:
        os.close(fd)
        raise
    return fd


def fill(fd: int, name: str) -> None:
    """Reserve every byte of a new board, write its first page and lock it."""
    os.posix_fallocate(fd, 0, layout.SIZE)  # because a page that cannot be stored later is SIGBUS, no error
    os.pwrite(fd, layout.first_page(name, time.time(), os.getpid()), 0)
    locks.try_lock(fd, 0)  # before it has a name, because an unlocked board counts as dead


def claim(dir_fd: int, source: str, name: str) -> None:
    """Rename `source` to the first file name for `name` that no living server has."""
    for wanted in file_names(name):
        if wanted == source or _replace(dir_fd, source, wanted):
            return
    raise FileExistsError(f"{_SAME_NAME} servers named {name!r}")


def file_names(name: str) -> Iterator[str]:
    """The names a server's file may have: `NAME.board`, or `NAME~2.board` … while others live under that."""
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
    """The path under which the file of `fd` can be found now; None for a memfd and a removed file."""
    try:
        path = os.readlink(f"/proc/self/fd/{fd}")
        status = os.lstat(path)
    except OSError:
        return None
    return path if held.identity(status) == held.identity(os.fstat(fd)) else None


def unlink(fd: int) -> None:
    """Remove the file of `fd` if its path still leads to it; no error if that is not allowed (any more)."""
    if path := path_of(fd):
        _unlink(path)


def rename(fd: int, name: str) -> None:
    """Name the file of `fd` after `name`; it keeps its old name if we may not write there (any more)."""
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


def _replace(dir_fd: int, source: str, wanted: str) -> bool:
    """Rename `source` over `wanted`, missing or dead; False if that is alive, or no file of ours."""
    while True:
        try:
            if held.identity(os.lstat(wanted, dir_fd=dir_fd)) in held.BOARDS:
                return False
        except FileNotFoundError:
            pass
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            fd = os.open(wanted, flags, 0o600, dir_fd=dir_fd)
        except OSError as error:
            if error.errno not in _FOREIGN:
                raise
            return False
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode) or not locks.try_lock(fd, 0, layout.SIZE):
                return False
            if _still(dir_fd, wanted, fd):
                os.rename(source, wanted, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
                return True
        finally:
            os.close(fd)  # only after the rename, because until then the lock keeps others from this name
        # Somebody else took the name between open and lock: look at what is there now.


def _still(dir_fd: int, name: str, fd: int) -> bool:
    try:
        status = os.lstat(name, dir_fd=dir_fd)
    except FileNotFoundError:
        return False
    return held.identity(status) == held.identity(os.fstat(fd))


def _sweep(dir_fd: int) -> None:
    """Remove boards that no process lives on: their servers were killed."""
    for name in os.listdir(dir_fd):
        if name.endswith((SUFFIX, _ASIDE)):
            _remove_dead(dir_fd, name)


def _remove_dead(dir_fd: int, name: str) -> None:
    try:
        status = os.lstat(name, dir_fd=dir_fd)
        if time.time() - status.st_mtime < _SWEEP_AFTER or held.identity(status) in held.BOARDS:
            return
        opened = held.open_regular(name, os.O_RDWR, follow=False, dir_fd=dir_fd)
    except OSError:
        return
    if not isinstance(opened, int):
        return
    try:
        if locks.try_lock(opened, 0, layout.SIZE) and _still(dir_fd, name, opened):
            _unlink(name, dir_fd)
    finally:
        os.close(opened)


def _unlink(path: str, dir_fd: int | None = None) -> None:
    try:
        os.unlink(path, dir_fd=dir_fd)
    except OSError:
        return  # gone, or in a directory that is no longer ours: a dead file harms nobody
