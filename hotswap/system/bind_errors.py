"""The errors for addresses that a server cannot listen at: cause, the holder if one is found, remedy."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from hotswap.errors import BindError
from hotswap.system.addresses import Address

if TYPE_CHECKING:
    from hotswap.system.address_holders import Holder

_TCP_CAUSES = {
    errno.EACCES: ("permission denied", "use a port above 1023 or socket activation"),
    errno.EADDRNOTAVAIL: ("no address of this machine", "use one of its addresses, or :PORT for all of them"),
    errno.EINVAL: (
        "invalid argument",
        "name the interface of a link-local address, as in [fe80::1%eth0]:PORT",
    ),
    errno.EAFNOSUPPORT: ("not supported on this machine", "use an IPv4 address"),
}
_UNIX_CAUSES = {
    errno.EACCES: ("permission denied", "give this user the right to write in {folder}"),
    errno.EPERM: ("operation not permitted", "run as root or as the owner of the file"),
    errno.ENOENT: ("there is no directory {folder}", "make it first"),
    errno.ENOTDIR: ("{folder} is not a directory", "choose another path"),
    errno.EEXIST: ("replaced by something else meanwhile", "choose another path"),
    errno.EROFS: ("read-only file system", "choose another path"),
}


def bind_error(address: Address, number: int | None, cause: str, remedy: str = "") -> BindError:
    """Return the error, with `errno` set; the caller raises it. The same holds for the other functions here."""
    error = BindError(f"cannot bind {address.text} ({cause})" + (f": {remedy}" if remedy else ""))
    error.errno = number
    return error


def tcp_error(address: Address, error: OSError) -> BindError:
    """Return the error for a system call that failed on a TCP address."""
    cause, remedy = _TCP_CAUSES.get(error.errno or 0, (_lowered(error), ""))
    return bind_error(address, error.errno, cause, remedy)


def unix_error(address: Address, error: OSError) -> BindError:
    """Return the error for a system call that failed on the path of a unix socket."""
    folder = os.path.dirname(address.path) or "."
    cause, remedy = _UNIX_CAUSES.get(error.errno or 0, (_lowered(error), ""))
    return bind_error(address, error.errno, cause.format(folder=folder), remedy.format(folder=folder))


def host_error(address: Address, error: OSError | UnicodeError) -> BindError:
    """Return the error for a host name that does not resolve."""
    remedy = "use an address of this machine, or :PORT for all of them"
    return bind_error(address, errno.EADDRNOTAVAIL, f"no such host: {_lowered(error)}", remedy)


def tcp_in_use(address: Address, family: int, host: str, port: int) -> BindError:
    """Return the error for a host:port at which another process, or this server itself, listens."""
    # Imported here: every restart pays for its imports, and only this error needs to know the holder.
    from hotswap.system import address_holders

    return _in_use(address, address_holders.of_tcp(family, host, port))


def unix_in_use(address: Address) -> BindError:
    """Return the error for a path or an abstract name at which another process, or this server itself, listens."""
    from hotswap.system import address_holders

    return _in_use(address, address_holders.of_unix(address.path))


def _in_use(address: Address, holder: Holder | None) -> BindError:
    if holder is None:
        cause, remedy = "address in use", "stop what holds it, or choose another address"
    elif holder.pid == os.getpid():
        cause = f"address in use by this server itself, at {holder.bound}"
        remedy = "listen on one of the two; to change from one to the other, stop the server and start it again"
    elif holder.is_hotswap:
        cause = f"address in use by {holder}"
        remedy = f"stop it, or restart it with hotswap restart {holder.pid}"
    else:
        cause, remedy = f"address in use by {holder}", "stop it, or choose another address"
    return bind_error(address, errno.EADDRINUSE, cause, remedy)


def _lowered(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]
