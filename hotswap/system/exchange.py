"""The exchange: the socket pair through which live connections move between processes.

Only the wire: what a connection on the move is, how a batch of them becomes one message, and how a message is
sent and received without blocking. Who sends what when is the crew's affair, polling is the engine's.

A message is one datagram: a head (version, number of connections, length of the description), the description
(a JSON list with one object a connection, in the order of the descriptors; unknown keys are ignored), then
the bytes that were read from the connections but not served, one after the other. The descriptors travel
beside it (SCM_RIGHTS, unix(7)).
"""

from __future__ import annotations

import array
import errno
import fcntl
import json
import os
import socket
import struct
import termios
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from hotswap.errors import HotswapError
from hotswap.system.nofile import RESERVE, raise_nofile_limit, reserve_fds

VERSION: Final = 1
MAX_FDS: Final = 64
MAX_DATA: Final = 64 * 1024
# Below the default SO_SNDBUF of 212,992: a longer datagram is refused (EMSGSIZE), however empty the queue.
MAX_MESSAGE: Final = 160 * 1024

_SEND_BUFFER: Final = 8 * 1024 * 1024
_HEAD: Final = struct.Struct("<HHI")
_EMPTY: Final = _HEAD.size + len("[]")
_FD_BYTES: Final = array.array("i").itemsize
# As many descriptors as any message can carry (unix(7)). Room for fewer would destroy connections.
_SCM_MAX_FD: Final = 253
_ANCILLARY: Final = socket.CMSG_SPACE(_SCM_MAX_FD * _FD_BYTES)
_LATER: Final = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS})


class ExchangeError(HotswapError):
    """A message could not be read; its connections, if it had any, are closed."""


class NoRoom(ExchangeError):
    """Too few descriptors are free for the next message. It stays in the queue: poll again when some are."""


@dataclass(slots=True)
class Passed:
    """One connection on the move.

    `listener` is the key of the listener it came in on; `data` what was read from it and not served, at most
    64 KiB; `peer` the client's address as text, "" if unknown (the receiver asks the socket); `proxy` what a
    proxy said, "" or JSON.
    """

    fd: int
    listener: str
    data: bytes = b""
    peer: str = ""
    proxy: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A batch ready to be sent. The descriptors are the caller's until `send` says True."""

    payload: bytes
    passed: tuple[Passed, ...]


def pack(passed: Iterable[Passed]) -> list[Message]:
    """Batch connections, in order, into few messages. ValueError if one has more than MAX_DATA unserved."""
    return [_message(batch) for batch in _batches(map(_item, passed))]


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

        Raises OSError for what no waiting mends (EPIPE: nobody has the receiving end; EMSGSIZE), the
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
        _close_all(fds)
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
            passed = _parse(payload, fds, cut=bool(flags & socket.MSG_CTRUNC))
        except ExchangeError:
            _close_all(fds)
            raise
        self.lost += len(passed) - len(fds)
        return passed[: len(fds)]  # the kernel hands out the first ones, and drops the rest (net/core/scm.c)

    def waiting(self) -> int:
        """Bytes in the queue with the kernel's overhead, 0 only if it is empty (SIOCOUTQ, unix(7))."""
        answer = fcntl.ioctl(self._sender.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        return int(struct.unpack("i", answer)[0])

    def close(self) -> None:
        """Close the own copies of both ends; the queue lives as long as any process has its receiving end."""
        self._sender.close()
        self._receiver.close()

    def _check_room(self, reserve: int) -> None:
        """NoRoom if the next message has more descriptors than are free, BlockingIOError if there is none."""
        room = reserve_fds(reserve)
        if room >= _SCM_MAX_FD:
            return
        # Without room for ancillary data a peek leaves the descriptors in the queue.
        head = self._receiver.recv(_HEAD.size, socket.MSG_PEEK)
        if len(head) == _HEAD.size and _HEAD.unpack(head)[1] > room:
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


class _Item(NamedTuple):
    """A connection and its description, encoded."""

    passed: Passed
    description: str

    @property
    def size(self) -> int:
        """How many bytes it adds to a message, with a comma."""
        return len(self.description) + 1 + len(self.passed.data)


def _item(passed: Passed) -> _Item:
    description = {
        "listener": passed.listener,
        "peer": passed.peer,
        "proxy": passed.proxy,
        "length": len(passed.data),
    }
    item = _Item(passed, json.dumps(description))  # ASCII only, so that characters are bytes
    if len(passed.data) > MAX_DATA or item.size > MAX_MESSAGE - _EMPTY:
        raise ValueError(f"a connection with {len(passed.data)} bytes unserved cannot travel")
    return item


def _batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    batch: list[_Item] = []
    size = _EMPTY
    for item in items:
        if batch and (len(batch) == MAX_FDS or size + item.size > MAX_MESSAGE):
            yield batch
            batch, size = [], _EMPTY
        batch.append(item)
        size += item.size
    if batch:
        yield batch


def _message(batch: Sequence[_Item]) -> Message:
    description = f"[{','.join(item.description for item in batch)}]".encode("ascii")
    head = _HEAD.pack(VERSION, len(batch), len(description))
    payload = b"".join([head, description, *(item.passed.data for item in batch)])
    return Message(payload, tuple(item.passed for item in batch))


def _descriptors(ancillary: Iterable[tuple[int, int, bytes]]) -> list[int]:
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % _FD_BYTES])
    return fds.tolist()


def _parse(payload: bytes, fds: Sequence[int], *, cut: bool) -> list[Passed]:
    """The connections a message describes, with -1 for the descriptors that did not arrive (`cut`)."""
    if not payload:
        raise ExchangeError("the exchange is closed: nobody has its sending end")
    description, at = _split(payload)
    if len(fds) != len(description) and not (cut and len(fds) < len(description)):
        raise ExchangeError(f"a message on the exchange has {len(fds)} connections, not {len(description)}")
    passed = []
    for place, item in enumerate(description):
        fd = fds[place] if place < len(fds) else -1
        passed.append(_connection(item, fd, payload, at))
        at += len(passed[-1].data)
    return passed


def _split(payload: bytes) -> tuple[list[Any], int]:
    """The descriptions, and where in `payload` the connections' bytes begin."""
    try:
        version, count, length = _HEAD.unpack_from(payload)
        if version != VERSION:
            raise ExchangeError(f"a message on the exchange is of version {version}, not {VERSION}")
        description = json.loads(payload[_HEAD.size : _HEAD.size + length])
    except (struct.error, ValueError, RecursionError) as error:
        raise ExchangeError(f"a message on the exchange is garbage ({error})") from error
    if not isinstance(description, list) or len(description) != count:
        raise ExchangeError("a message on the exchange is garbage (its count is not that of its description)")
    return description, _HEAD.size + length


def _connection(item: Any, fd: int, payload: bytes, at: int) -> Passed:
    try:
        listener, length = item["listener"], item["length"]
        peer, proxy = item.get("peer", ""), item.get("proxy", "")
    except (AttributeError, KeyError, TypeError) as error:
        raise ExchangeError("a connection on the exchange has no listener") from error
    texts = all(isinstance(text, str) for text in (listener, peer, proxy))
    if not texts or type(length) is not int or not 0 <= length <= len(payload) - at:
        raise ExchangeError("a connection on the exchange is described with garbage")
    return Passed(fd, listener, payload[at : at + length], peer, proxy)


def _close_all(fds: Iterable[int]) -> None:
    for fd in fds:
        try:
            os.close(fd)
        except OSError:
            continue  # the descriptor is gone in any case (close(2))


__all__ = [
    "MAX_DATA",
    "MAX_FDS",
    "MAX_MESSAGE",
    "RESERVE",
    "VERSION",
    "Exchange",
    "ExchangeError",
    "Message",
    "NoRoom",
    "Passed",
    "pack",
    "raise_nofile_limit",
    "reserve_fds",
]
