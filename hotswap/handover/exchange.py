"""The exchange: the socket pair through which live connections move between processes.

Only the sockets: how a message (wire.py) is sent and received without blocking. What is sent when, engine_node.py
decides; the engine polls.
"""

from __future__ import annotations

import array
import errno
import fcntl
import socket
import struct
import termios
from collections.abc import Iterable
from typing import Final

from hotswap.handover.wire import HEAD, MAX_MESSAGE, ExchangeError, Message, Passed, parse
from hotswap.system.fd_limit import RESERVE, reserve_fds
from hotswap.system.fd_messages import close_all
from hotswap.system.fork_guard import no_fork

_SEND_BUFFER: Final = 8 * 1024 * 1024
_FD_BYTES: Final = array.array("i").itemsize
# As many descriptors as any message can carry (unix(7)). Room for fewer would destroy connections.
_SCM_MAX_FD: Final = 253
_ANCILLARY: Final = socket.CMSG_SPACE(_SCM_MAX_FD * _FD_BYTES)
_LATER: Final = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS})


class NoRoom(ExchangeError):
    """Too few descriptors are free for the next message. It stays in the queue: poll again when some are."""


class Exchange:
    """Both ends of the exchange, as every process of a server holds them. Non-blocking, close-on-exec.

    `lost` counts the connections the kernel destroyed on arrival, because a descriptor was missing after all.
    """

    def __init__(self, send_fd: int, receive_fd: int) -> None:
        """Take over both descriptors. ExchangeError, with both left open, if they are no such ends."""
        _check_end(send_fd)
        _check_end(receive_fd)
        self._sender = socket.socket(fileno=send_fd)
        self._receiver = socket.socket(fileno=receive_fd)
        for end in (self._sender, self._receiver):
            end.setblocking(False)
            end.set_inheritable(False)
        self.lost = 0

    @classmethod
    def create(cls) -> Exchange:
        """A new, empty exchange with as much room as we may have: by default it holds about 278 messages."""
        sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        _enlarge(sender)
        return cls(sender.detach(), receiver.detach())

    @property
    def send_fd(self) -> int:
        """To be polled for writing while an outbox waits, and to be passed on; -1 when closed."""
        return self._sender.fileno()

    @property
    def receive_fd(self) -> int:
        """To be polled for reading as one more listener, and to be passed on; -1 when closed."""
        return self._receiver.fileno()

    def send(self, message: Message) -> bool:
        """Queue a message and close the own copies of its descriptors; False if it must be tried again later.

        Raises OSError for what no waiting mends (EPIPE: no process has the receiving end; EMSGSIZE), the
        descriptors still open.
        """
        fds = array.array("i", [item.fd for item in message.passed])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
        try:
            self._sender.sendmsg([message.payload], rights, socket.MSG_NOSIGNAL)
        except OSError as error:
            if error.errno in _LATER:
                return False
            raise
        close_all(fds)
        return True

    def receive(self, reserve: int = RESERVE) -> list[Passed] | None:
        """Take one message out of the queue; None if there is none. The descriptors are close-on-exec.

        Raises NoRoom, with nothing taken, if afterwards fewer than `reserve` descriptors would be free;
        ExchangeError if the message cannot be read: it is gone then, its connections closed.
        """
        try:
            self._check_room(reserve)
            answer = self._receiver.recvmsg(MAX_MESSAGE, _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return None
        payload, ancillary, flags, _ = answer
        fds = _descriptors(ancillary)
        try:
            if flags & socket.MSG_TRUNC:
                raise ExchangeError(f"a message on the exchange is longer than {MAX_MESSAGE} bytes")
            passed = parse(payload, fds, cut=bool(flags & socket.MSG_CTRUNC))
        except ExchangeError:
            close_all(fds)
            raise
        self.lost += len(passed) - len(fds)
        return passed[: len(fds)]  # the kernel hands out the first ones, and drops the rest (net/core/scm.c)

    def waiting(self) -> int:
        """Bytes in the queue with the kernel's overhead, 0 only if it is empty (SIOCOUTQ, unix(7))."""
        answer = fcntl.ioctl(self._sender.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        return int(struct.unpack("i", answer)[0])

    def close(self) -> None:
        """Close the own copies of both ends; the queue lives as long as any process has its receiving end."""
        # As with a listener, the numbers are forgotten first.
        with no_fork():
            self._sender.close()
            self._receiver.close()

    def _check_room(self, reserve: int) -> None:
        """NoRoom if the next message has more descriptors than are free, BlockingIOError if there is none."""
        room = reserve_fds(reserve)
        if room >= _SCM_MAX_FD:
            return
        # Without room for ancillary data a peek leaves the descriptors in the queue.
        head = self._receiver.recv(HEAD.size, socket.MSG_PEEK)
        if len(head) == HEAD.size and HEAD.unpack(head)[1] > room:
            raise NoRoom(f"only {room} descriptors are free (and {reserve} in reserve): raise ulimit -n")


def _check_end(fd: int) -> None:
    try:
        end = socket.socket(fileno=fd)
    except OSError as error:
        raise ExchangeError(f"descriptor {fd} is not a socket: no exchange was passed") from error
    family, kind = end.family, end.type
    end.detach()
    if family != socket.AF_UNIX or kind != socket.SOCK_SEQPACKET:
        raise ExchangeError(f"descriptor {fd} is not an end of an exchange")


def _enlarge(sender: socket.socket) -> None:
    try:
        sender.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SEND_BUFFER)
    except PermissionError:  # needs CAP_NET_ADMIN; this one is capped by net.core.wmem_max
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)


# asm-generic/socket.h; Python has no name for it.
_SO_SNDBUFFORCE: Final = 32


def _descriptors(ancillary: Iterable[tuple[int, int, bytes]]) -> list[int]:
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % _FD_BYTES])
    return fds.tolist()
