"""The file of a unix socket: made with its mode and owner, known by its inode, replaced only when stale."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat

from hotswap.system.addresses import Address
from hotswap.system.bind_errors import bind_error, unix_error, unix_in_use
from hotswap.system.descriptors import kind


def create(sock: socket.socket, path: str, mode: int, owner: tuple[int, int] | None) -> str:
    """Bind the socket to `path` and return the file's identity, "device:inode"; raise OSError.

    The caller listens afterwards: no client can connect before that, so mode and owner (uid, gid) are set in time.
    """
    # Not by os.umask: the whole process has one, and the application's threads may be creating files now.
    os.fchmod(sock.fileno(), mode)
    sock.bind(path)
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        identity = _identity(os.fstat(fd))
        _set_mode_and_owner(fd, mode, owner)
    except OSError:
        remove_if_same(path, identity)
        raise
    finally:
        os.close(fd)
    return identity


def remove_if_same(path: str, identity: str) -> bool:
    """Unlink `path` if it is the file of this identity; return whether it was.

    A server that replaced the file owns the path now, and its clients need it. The caller must still have the socket
    open: that keeps the inode's number from being given to another file.
    """
    with contextlib.suppress(OSError):  # the file is gone, or out of reach since this process dropped privileges
        if _identity(os.lstat(path)) == identity:
            os.unlink(path)
            return True
    return False


def why_not_same(path: str, identity: str) -> str:
    """Return "deleted" or "replaced" if `path` is not the file of this identity any more; "" if it is.

    Also "" where this process cannot see that, since it dropped privileges.
    """
    try:
        return "" if _identity(os.lstat(path)) == identity else "replaced"
    except (FileNotFoundError, NotADirectoryError):
        return "deleted"
    except OSError:
        return ""


def remove_stale(address: Address) -> None:
    """Unlink a dead server's socket at the path, if there is one; raise BindError if anything else is there."""
    try:
        mode = os.lstat(address.path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise unix_error(address, error) from error
    if not stat.S_ISSOCK(mode):
        cause = f"there is a {kind(mode)} of this name"
        raise bind_error(address, errno.EEXIST, cause, "remove it, or choose another path")
    _refuse_living(address)
    _unlink(address)


def _set_mode_and_owner(fd: int, mode: int, owner: tuple[int, int] | None) -> None:
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    # By way of /proc, because another user could make the path a link to some other file before chmod follows it.
    path = f"/proc/self/fd/{fd}"
    os.chmod(path, mode)
    if owner is not None:
        os.chown(path, *owner)


def _refuse_living(address: Address) -> None:
    """Raise BindError if a process has the socket at the path; only a refused connection proves that none has."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        answer = probe.connect_ex(address.path)
    if answer in (errno.ECONNREFUSED, errno.ENOENT):
        return
    # A full backlog or a socket of another type proves as well as a connection that a process has it.
    if answer in (0, errno.EAGAIN, errno.EPROTOTYPE):
        raise unix_in_use(address)
    cause = f"there is a socket that cannot be connected to, {os.strerror(answer).lower()}"
    raise bind_error(address, answer, cause, "remove it, or choose another path")


def _unlink(address: Address) -> None:
    try:
        os.unlink(address.path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unix_error(address, error) from error


def _identity(found: os.stat_result) -> str:
    return f"{found.st_dev}:{found.st_ino}"
