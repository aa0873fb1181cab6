"""The control channel between the server process and one worker: orders one way, news the other.

A SOCK_SEQPACKET pair, so that a message is whole or not there, and a descriptor can travel with it. Each process holds
one end only: that the other has died is then seen as the end of file, whatever else it had open.
"""

from __future__ import annotations

import array
import contextlib
import enum
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: More of a text than this says nothing more; a message has to be shorter than a socket's buffer (bytes).
TEXT_LIMIT = 16 * 1024
_MESSAGE_MAX = 192 * 1024
_FDS_MAX = 4


class Order(enum.Enum):
    """What the server process tells a worker."""

    ACCEPT = "accept"  # everybody has loaded: accept, and receive from the exchange
    ADOPT = "adopt"  # serve the connection that comes with this order
    RETIRE = "retire"  # hand the connections over, finish what runs
    DRAIN = "drain"  # nobody to hand over to
    TAKE_BACK = "take back"  # the successor is lost: serve again
    RELEASE = "release"  # close the listeners, and go when nothing is left
    HAMMER = "hammer"  # end by force
    REOPEN = "reopen"  # log files have been moved away


class News(enum.Enum):
    """What a worker tells the server process."""

    LOADED = "loaded"  # everything that can fail is done
    ACCEPTING = "accepting"
    FAILED = "failed"  # the text of what ended it
    SPENT = "spent"  # it has served enough, or was told to leave: replace me
    STATUS = "status"  # while leaving: what is left
    CUT = "cut"  # the requests that the hammer cut


@dataclass(frozen=True)
class Message:
    """One order or one piece of news; the descriptors belong to whoever reads it."""

    what: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    fds: Sequence[int] = ()


class Channel:
    """One end. Never blocks; `closed` is true once the other end is gone."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self.closed = False

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Two ends, close-on-exec."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self.closed = True
        self._sock.close()

    def send(self, what: Order | News, fds: Sequence[int] = (), **facts: object) -> bool:
        """Whether the kernel took it. One that does not read its messages is stuck, and its heartbeat says so."""
        payload = json.dumps({"what": what.value, **facts}).encode()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._sock.sendmsg([payload], rights, socket.MSG_NOSIGNAL)
        except OSError:
            return False
        return True

    def receive(self) -> Iterator[Message]:
        """Everything that is there to read now."""
        while not self.closed:
            try:
                answer = self._sock.recvmsg(_MESSAGE_MAX, socket.CMSG_SPACE(4 * _FDS_MAX), socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                # ECONNRESET: it went and left messages of ours unread.
                self.closed = True
                return
            payload, ancillary, _, _ = answer
            if not payload:
                self.closed = True
                return
            facts = json.loads(payload)
            yield Message(facts.pop("what"), facts, _descriptors(ancillary))


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return fds.tolist()


def close_all(fds: Sequence[int]) -> None:
    """Close descriptors that came with a message nobody wants."""
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)
