"""The control channel between the server process and one worker: orders one way, news the other.

A SOCK_SEQPACKET pair, so that a message is whole or not there, and a descriptor can travel with it. Each process holds
one end only: that the other has died is then seen as the end of file, whatever else it had open.
"""

from __future__ import annotations

import enum
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, NamedTuple

from hotswap.system import fd_messages

#: More of a text than this says nothing more (characters; in a message each of them becomes up to six bytes).
TEXT_LIMIT = 16 * 1024


class Order(enum.Enum):
    """What the server process tells a worker."""

    ACCEPT = "accept"  # all workers have loaded: accept, and receive from the exchange
    ADOPT = "adopt"  # serve the connection that comes with this order
    BE_LAME_DUCK = "be lame duck"  # serve on, and say at the health path that no new clients are wanted
    RETIRE = "retire"  # hand the connections over, finish what runs
    DRAIN = "drain"  # no process to hand over to
    TAKE_BACK = "take back"  # the successor is lost: serve again
    RELEASE = "release"  # close the listeners, and go when nothing is left
    HAMMER = "hammer"  # end by force
    REOPEN = "reopen"  # log files have been moved away


class WorkerNews(enum.Enum):
    """What a worker tells the server process."""

    LOADED = "loaded"  # everything that can fail is done
    ACCEPTING = "accepting"
    FAILED = "failed"  # the text of what ended it
    WANTS_REPLACEMENT = "wants replacement"  # it has served enough, or was told to leave
    STATUS = "status"  # while leaving: what is left
    CUT = "cut"  # the requests that the hammer cut


class ControlMessage(NamedTuple):
    """One order or one piece of news; the process that reads it owns the descriptors."""

    what: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    fds: Sequence[int] = ()


class Channel:
    """One end, for one thread. Never blocks, never raises; `closed` is true once the other end is gone."""

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

    def send(self, what: Order | WorkerNews, fds: Sequence[int] = (), **facts: object) -> bool:
        """Whether the kernel took it. A process that does not read its messages is stuck, and its heartbeat says so."""
        try:
            fd_messages.send(self._sock, {"what": what.value, **facts}, fds)
        except OSError:
            return False
        return True

    def receive(self) -> Iterator[ControlMessage]:
        """Everything that is there to read now."""
        while not self.closed:
            try:
                message = fd_messages.receive(self._sock)
            except BlockingIOError:
                return
            except OSError:
                message = None
            if message is None:
                self.closed = True
                return
            facts, fds = message
            yield ControlMessage(facts.pop("what"), facts, fds)
