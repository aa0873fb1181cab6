"""Listening sockets: each is bound once and passed on from generation to generation, never closed and opened again."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Sequence

from hotswap.system import unix_socket_file
from hotswap.system.addresses import Address, tcp_text
from hotswap.system.bind_errors import bind_error, host_error, tcp_error, tcp_in_use, unix_error, unix_in_use
from hotswap.system.descriptors import move_fd, move_up, why_not_listening
from hotswap.system.fork_guard import no_fork

__all__ = ["FIRST_FD", "Listener", "adopt", "bind", "bound_text", "move_fd", "place"]

FIRST_FD = 3
# sun_path has 108 bytes: a path needs one for its final NUL, an abstract name one for its first (unix(7)).
UNIX_NAME_MAX = 107
# tcpi_unacked of tcp_info (include/uapi/linux/tcp.h), which counts the accept queue of a listening socket.
_TCP_INFO = struct.Struct("=24xI")

_Name = tuple[str, int] | tuple[str, int, int, int]


class Listener:
    """A listening stream socket with its names.

    key: its name across generations (`addresses.keys`).
    address: as configured.
    bound: as the kernel names it, "127.0.0.1:43117", "[::1]:80", "unix:/path", "unix:@name".
    sock: non-blocking and close-on-exec; another object after `place` moved it.
    identity: "device:inode" of a unix socket's file if this server made it, else "": then it must not remove the file.
    ours: this server has bound it, so no process but its own has it; not one that was passed to it from outside.

    Thread: the methods are for the main thread; any thread may accept from `sock`. Raises: `backlog` raises OSError
    once the socket is closed; no other method raises.
    """

    __slots__ = ("_path", "address", "bound", "identity", "key", "ours", "sock")

    def __init__(
        self, key: str, address: Address, sock: socket.socket, identity: str = "", *, ours: bool = False
    ) -> None:
        self.key = key
        self.address = address
        self.sock = sock
        self.bound = bound_text(sock)
        self.identity = identity
        self.ours = ours
        # Absolute, because the application may change the directory before the path is removed.
        self._path = os.path.abspath(self.bound.removeprefix("unix:")) if identity else ""

    def __repr__(self) -> str:
        return f"<Listener {self.key} at {self.bound} fd={self.fileno()}>"

    @property
    def url(self) -> str:
        """The listener's name for users: "http://127.0.0.1:43117", or "unix:/path"."""
        return self.bound if self.bound.startswith("unix:") else f"http://{self.bound}"

    def fileno(self) -> int:
        """The descriptor's number, -1 once closed."""
        return self.sock.fileno()

    def backlog(self) -> int:
        """Return how many connections wait to be accepted; 0 for a unix socket, of which the kernel does not tell."""
        if self.sock.family == socket.AF_UNIX:
            return 0
        info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        return int(_TCP_INFO.unpack(info)[0])

    def close(self) -> None:
        """Close this process's copy. Never a shutdown: that would end the listener in every process."""
        # The socket object forgets the number before it closes the descriptor: a child forked in between would keep it.
        with no_fork(), contextlib.suppress(OSError):  # the application may have closed it by its number
            self.sock.close()

    def why_unreachable(self) -> str:
        """Return why clients cannot find a unix socket: its file was "deleted" or "replaced"; "" if it is there."""
        return unix_socket_file.why_not_same(self._path, self.identity) if self._path else ""

    def remove_path(self) -> bool:
        """Unlink the socket's file if this server made it; return whether that was done.

        A closed listener unlinks nothing: only the open socket keeps the inode's number from being another file's.
        """
        return bool(self._path) and self.fileno() >= 0 and unix_socket_file.remove_if_same(self._path, self.identity)


def bind(
    address: Address,
    key: str,
    *,
    backlog: int,
    umask: int = 0,
    v6only: bool | None = None,
    owner: tuple[int, int] | None = None,
) -> Listener:
    """Return a new listener at `address`; raise BindError with cause and remedy.

    backlog: of listen(2). v6only: IPV6_V6ONLY of an IPv6 socket, None leaves the system's default.
    umask, owner: of a unix socket's file; its mode is 0777 less the umask; a -1 in (uid, gid) leaves that id as it is.
    The file of a dead server is replaced.
    """
    if address.fd is not None:
        return adopt(address.fd, key, address)
    if address.fd_name:
        cause = f"no descriptor named {address.fd_name} was passed"
        raise bind_error(address, errno.EBADF, cause, "set FileDescriptorName= in the systemd socket unit")
    if address.path:
        return _bind_unix(address, key, backlog, 0o777 & ~umask, owner)
    return _bind_tcp(address, key, backlog, v6only)


def adopt(
    fd: int, key: str, address: Address, identity: str = "", *, backlog: int | None = None, ours: bool = False
) -> Listener:
    """Return the listener for a descriptor that was passed to this process, and own it from then on.

    identity, ours: as the listener has them in the process that passed it. backlog: a new one for listen(2), None keeps
    the old one. Raises BindError if it is not a listening stream socket of TCP or unix. Whatever is raised, `fd` stays
    open.
    """
    fault = why_not_listening(fd)
    if fault:
        cause = f"file descriptor {fd} {fault}"
        raise bind_error(address, errno.EINVAL, cause, "pass a listening stream socket")
    sock = socket.socket(fileno=fd)
    try:
        _prepare(sock)
        if backlog is not None:
            sock.listen(backlog)
        return Listener(key, address, sock, identity, ours=ours)
    except BaseException:
        sock.detach()
        raise


def bound_text(sock: socket.socket) -> str:
    """Return the socket's own name as an address text that `addresses.parse` takes."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return _unix_text(name)
    host = name[0].partition("%")[0]
    if len(name) == 4 and name[3]:
        host += f"%{socket.if_indextoname(name[3])}"
    return tcp_text(host, name[1])


def place(listeners: Sequence[Listener], first: int = FIRST_FD) -> None:
    """Move the descriptors to `first`, first + 1, … in order, if those numbers are free or theirs.

    A number that other code has opened is left alone, and the listener that wants it stays where it is. Must be called
    before any epoll has the listeners: a registration stays with the old number.
    """
    end = first + len(listeners)
    # A listener with a number that another listener wants gives way first: else two could not change places.
    for wanted, listener in enumerate(listeners, first):
        if first <= listener.fileno() < end and listener.fileno() != wanted:
            _renumber(listener, move_up(listener.fileno(), end))
    for wanted, listener in enumerate(listeners, first):
        _renumber(listener, move_fd(listener.fileno(), wanted))


def _renumber(listener: Listener, fd: int) -> None:
    if fd == listener.fileno():
        return
    listener.sock.detach()  # its number is closed already, and other code may have opened it since
    listener.sock = socket.socket(fileno=fd)
    listener.sock.setblocking(False)


def _prepare(sock: socket.socket) -> None:
    sock.setblocking(False)
    sock.set_inheritable(False)
    if sock.family != socket.AF_UNIX:
        # Linux copies it to every accepted socket, which saves a system call for each of them.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _unix_text(name: str | bytes) -> str:
    if isinstance(name, bytes):  # abstract, with its leading NUL
        return f"unix:@{os.fsdecode(name[1:])}"
    # A reader would take two slashes for the end of a URL's scheme.
    return f"unix:/{name.lstrip('/')}" if name.startswith("//") else f"unix:{name}"


def _bind_tcp(address: Address, key: str, backlog: int, v6only: bool | None) -> Listener:
    family, name = _resolve(address)
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise tcp_error(address, error) from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and v6only is not None:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6only))
        sock.bind(name)
        _prepare(sock)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise tcp_in_use(address, family, name[0], name[1]) from error
        raise tcp_error(address, error) from error
    return Listener(key, address, sock, ours=True)


def _resolve(address: Address) -> tuple[int, _Name]:
    # /etc/hosts often names ::1 first, while users expect 127.0.0.1 to answer for localhost.
    host = "127.0.0.1" if address.host == "localhost" else address.host
    try:
        found = socket.getaddrinfo(host, address.port, address.family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise host_error(address, error) from error
    family, _, _, _, name = found[0]
    return family, name  # type: ignore[return-value]  # typeshed's third form belongs to Pythons without IPv6


def _bind_unix(address: Address, key: str, backlog: int, mode: int, owner: tuple[int, int] | None) -> Listener:
    if len(os.fsencode(address.path.removeprefix("@"))) > UNIX_NAME_MAX:
        cause = f"name longer than {UNIX_NAME_MAX} bytes"
        raise bind_error(address, errno.ENAMETOOLONG, cause, "use a shorter or a relative path")
    abstract = address.path.startswith("@")
    if not abstract:
        unix_socket_file.remove_stale(address)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    identity = ""
    try:
        if abstract:
            sock.bind(b"\0" + os.fsencode(address.path[1:]))
        else:
            identity = unix_socket_file.create(sock, address.path, mode, owner)
        _prepare(sock)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise unix_in_use(address) from error
        raise unix_error(address, error) from error
    return Listener(key, address, sock, identity, ours=True)
