"""Listeners: accepting, and not accepting while there is no room."""

from __future__ import annotations

import errno
import socket
from time import monotonic
from typing import TYPE_CHECKING

from hotswap.engine.connection import Connection
from hotswap.engine.core import READ

if TYPE_CHECKING:
    from hotswap.engine.core import Core
    from hotswap.engine.handshake import Handshakes
    from hotswap.engine.model import Service
    from hotswap.engine.turns import Turns

#: No descriptor, no memory: it is the system that is full, and polling on would spin.
_FULL = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_TRY_AGAIN = 0.5  # seconds
_SAY_AGAIN = 60.0  # between two lines about it: a server at its limit pauses many times a second
_NEVER = float("inf")


class Acceptor:
    """Accepts for all listeners of an engine, on the leading thread; and, once, for `Leaving`, until they
    are empty.
    """

    def __init__(self, core: Core, turns: Turns) -> None:
        self._core = core
        self._turns = turns
        self._listening = {s.sock.fileno(): (s, s.sock) for s in core.services.values() if s.sock is not None}
        self._polled: set[int] = set()
        self.open = False
        self._retry = _NEVER
        self._said = -_SAY_AGAIN
        self.handshakes: Handshakes | None = None
        core.room_again = self._room_again

    def start(self) -> None:
        """Poll the listeners."""
        with self._core.lock:
            self.open = True
            self._poll()

    def stop(self) -> None:
        """Do not poll them any more. They stay open: closing is their owner's."""
        with self._core.lock:
            self.open = False
            self._pause()

    def _poll(self) -> None:
        self._retry = _NEVER
        for fd in self._listening.keys() - self._polled:
            self._turns.sources[fd] = self._accept
            self._core.epoll.register(fd, READ)
            self._polled.add(fd)

    def _pause(self) -> None:
        for fd in self._polled:
            self._core.epoll.unregister(fd)
        self._polled.clear()

    def empty(self) -> None:
        """Accept everything that waits, once more after the last poll: it would wait for nobody."""
        for service, listener in self._listening.values():
            # One that its owner has closed meanwhile is empty.
            while listener.fileno() >= 0 and self._take(service, listener):
                pass

    def _full(self) -> bool:
        live, limits = len(self._core.live), self._core.limits
        return live - self._core.adopted >= limits.connections or live >= limits.descriptors

    def _room_again(self) -> None:
        """A connection ended."""
        if self._retry != _NEVER and not self._full():
            with self._core.lock:
                if self.open and not self._core.stopped:
                    self._poll()

    def ask(self, now: float) -> float:
        """The clock's question after an EMFILE: descriptors become free without any connection of ours ending."""
        if self._retry <= now:
            self._room_again()
        return self._retry

    def _accept(self, fd: int) -> None:
        service, listener = self._listening[fd]
        for _ in range(self._core.limits.accepts):
            if not self.open:
                return
            if self._full():
                live = len(self._core.live)
                self._wait_for_room(f"{live} connections are open (see worker_connections, and ulimit -n)")
                return
            if not self._take(service, listener):
                return

    def _wait_for_room(self, why: str) -> None:
        self._retry = self._turns.now + _TRY_AGAIN
        self._core.tick_at(self._retry)
        with self._core.lock:
            self._pause()
        if self._turns.now - self._said >= _SAY_AGAIN:
            self._said = self._turns.now
            self._core.log.warning("%s: accepting pauses until one ends", why)

    def _take(self, service: Service, listener: socket.socket) -> bool:
        """Accept one connection. False: none is there, or there is no room."""
        try:
            sock, peer = listener.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            if error.errno in _FULL:
                self._wait_for_room(f"cannot accept ({error.strerror})")
                return False
            if error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                raise
            return True  # that client has gone, or the network between: the next one
        sock.setblocking(False)
        self._core.counters.accepted += 1
        self.welcome(Connection(sock, service, peer))
        return True

    def welcome(self, conn: Connection) -> None:
        """A new connection of ours: wait for its first request, or for its TLS handshake."""
        self._core.live.add(conn)
        if self.handshakes is not None:
            self.handshakes.begin(conn)
        else:
            self._core.idle(conn, monotonic(), self._core.limits.head_timeout)
