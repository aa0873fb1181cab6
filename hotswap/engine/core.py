"""What all threads of one engine share: the epoll, who owns which connection, and whether we are leaving.

The rule everything here serves: **no thread needs the lead to finish a connection**. It registers the
connection again (`epoll_ctl` is thread-safe) and puts it into `owned`; whoever pops it out of there next
has it, exactly once.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Container, Sequence
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING

from hotswap.engine.connection import FIN, HEAD, IDLE, Connection
from hotswap.engine.limits import Limits
from hotswap.engine.model import Counters, Log, Service

if TYPE_CHECKING:
    from hotswap.engine.refusal import Refusal
    from hotswap.engine.unyielding import Unyielding

READ = select.EPOLLIN
RECV = 1 << 14  #: read at once from a connection that may begin a request (bytes)
WRITABLE = select.EPOLLOUT


class Waker:
    """Wakes the leading thread out of its poll; from any thread, also after the engine has stopped."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def wake(self) -> None:
        try:
            os.eventfd_write(self.fd, 1)
        except BlockingIOError:  # the counter is full: it is awake
            pass

    def rest(self) -> None:
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            pass

    def __del__(self) -> None:
        # Not at stop(): a thread that finishes late would write to whatever has got the number by then.
        os.close(self.fd)


class Core:
    """The shared state of an engine and the few acts on it that must be done in one certain order."""

    def __init__(
        self,
        services: Sequence[Service],
        limits: Limits,
        log: Log,
        changed: Callable[[], None],
        *,
        sendfile: bool = True,
    ) -> None:
        self.services = {service.key: service for service in services}
        self.limits = limits
        self.log = log
        self.changed = changed
        self.sendfile = sendfile
        self.keepalive = limits.keepalive > 0
        self.counters = Counters()
        self.epoll = select.epoll()
        self.waker = Waker()
        self.epoll.register(self.waker.fd, READ)
        self.owned: dict[int, Connection] = {}  # by descriptor: connections the loop owns
        #: By descriptor: those whose calls run in other threads than the leader's, and that are polled all the same.
        self.lent: dict[int, Connection] = {}
        self.live: set[Connection] = set()  # all of them, also those a thread owns
        #: Descriptors whose next bytes are read already: epoll will not say anything.
        self.ready: deque[int] = deque()
        #: Orders taking the lead away against finishing; never held over anything slow.
        self.lock = threading.Lock()
        self.pid = 0  # the process that serves
        self.leader = 0  # the leading thread's identity
        self.leaving = False
        self.draining = False
        self.stopped = False
        self.crowded = False  # application calls run in other threads than the leader's
        self.unyielding: Unyielding  # how to talk to clients then; made before there is a second thread
        self.adopted = 0  # live connections that came from another process
        self.next_tick = 0.0  # when the leader looks at deadlines next
        self.sources: Container[int] = ()  # descriptors that are polled and no connections; set by `Sources`
        #: Called with a connection that became idle while leaving; whoever calls owns it. Set by `Leaving`.
        self.depart: Callable[[Connection], None] = self.put_back
        #: Called when a connection ended, so that accepting can begin again. Set by `Acceptor`.
        self.room_again: Callable[[], None] = lambda: None

    # epoll

    def arm(self, conn: Connection, events: int = READ) -> None:
        """Let the leader see `events` of a connection the caller owns. Level-triggered: nothing that waits
        is missed.
        """
        if conn.polled == events:
            return
        if conn.polled:
            self.epoll.modify(conn.fd, events)
        else:
            self.epoll.register(conn.fd, events)
        conn.polled = events

    def disarm(self, conn: Connection) -> None:
        """Take it out of epoll. Not masked with 0: that would still report EPOLLHUP, again and again."""
        with self.lock:  # hush() may be at it: once we return it is done, and the socket may be closed or sent away
            self._disarm(conn)

    def _disarm(self, conn: Connection) -> None:
        if conn.polled:
            conn.polled = 0
            if conn.sock.fileno() == conn.fd or self._is_nobodys(conn):
                try:
                    self.epoll.unregister(conn.fd)
                except (OSError, ValueError):  # the number is not in use, or stop() was quicker
                    pass
        # Last: of a connection that is not found there, `polled` is true.
        if self.lent.get(conn.fd) is conn:
            del self.lent[conn.fd]

    def _is_nobodys(self, conn: Connection) -> bool:
        """The application has closed the socket under us, or detached it. Closed, its number may be used again by now;
        detached, the application has it open and only we can end its being polled.
        """
        fd = conn.fd
        return fd not in self.sources and all(other is conn or other.fd != fd for other in list(self.live))

    def lend(self, conn: Connection) -> None:
        """Another thread goes on with its request. It stays in epoll: few clients say anything before they have their
        answer, and taking it out and putting it back costs more than such a call.
        """
        self.lent[conn.fd] = conn

    def hush(self, fd: int) -> None:
        """The leader has an event of a connection that it does not own. If a thread has it, it is not asked again.

        Or a thread is just putting it back, and waits for us or we for it. To poll again at once would find the event
        again and again, and where both threads share a CPU keep the other one from going on for whole time slices.
        """
        with self.lock:
            conn = self.lent.get(fd)
            if conn is not None:
                self._disarm(conn)

    def wake_leader(self) -> None:
        """Let the leader look again at what is ready and at the next deadline; nothing if we are the
        leader.

        A thread that has just lost the lead and does not know it may skip this: its successor sets `leader`
        first and looks then.
        """
        if get_ident() != self.leader:
            self.waker.wake()

    # ownership

    def put_back(self, conn: Connection, events: int = READ) -> None:
        """Give a connection to the loop, to go on with its phase. The caller owned it and no longer does."""
        deadline = conn.deadline
        if conn.fd not in self.lent and conn.polled == events:
            self.owned[conn.fd] = conn
        elif not self._register(conn, events):
            self.drop(conn)
            return
        # Only now that it can be found: a tick before this line may not have seen it, and one behind it asks again.
        if deadline < self.next_tick:
            self.tick_at(deadline)
        if self.stopped:
            self._drop_late(conn)

    def tick_at(self, when: float) -> None:
        """Let the leader look at deadlines no later than `when`."""
        with self.lock:
            self.next_tick = min(self.next_tick, when)
        self.wake_leader()

    def _drop_late(self, conn: Connection) -> None:
        """stop() has closed what it found, and may not have found this one."""
        if self.take_back(conn):
            self.drop(conn)

    def _register(self, conn: Connection, events: int) -> bool:
        """Let it be polled, and only then be found: once in `owned`, another thread may send it away and close it.

        False: the application has closed the socket, or stop() the epoll.
        """
        with self.lock:
            self.lent.pop(conn.fd, None)
            try:
                self.arm(conn, events)
            except (OSError, ValueError):
                return False
            before, self.owned[conn.fd] = self.owned.get(conn.fd), conn
        if before is not None and before is not conn:
            self.forget(before)  # its application closed it after the call, else this number could not be ours
        return True

    def take(self, fd: int) -> Connection | None:
        """Become the owner of a connection the loop owns, or None if somebody else was quicker."""
        return self.owned.pop(fd, None)

    def take_back(self, conn: Connection) -> bool:
        """Become the owner of a connection that the loop owned a moment ago; False if somebody else was quicker."""
        if self.owned.get(conn.fd) is not conn:
            return False
        found = self.take(conn.fd)
        if found is conn:
            return True
        if found is not None:  # ours has ended in between, and another one has got its number
            self.wait_for_request(found, found.polled)
        return False

    def idle(self, conn: Connection, now: float, patience: float = 0.0) -> None:
        """The caller is done with a connection that stays open: wait for its next request, or let it leave.

        `patience` is how many seconds to wait for it, if not as long as between any two requests.
        """
        conn.request = None
        conn.work = None
        conn.phase = IDLE
        conn.deadline = now + (patience or self.limits.keepalive)
        if conn.sock.fileno() != conn.fd:
            # The application has closed it. The number may be another connection's, which must be found under it.
            self.drop(conn)
            return
        if self.leaving:
            self.depart(conn)
            return
        usual = conn.fd not in self.lent and conn.polled == READ and not conn.data
        if usual and conn.deadline >= self.next_tick and not self.stopped:
            self.owned[conn.fd] = conn  # what put_back() comes to after nearly every request
            if self.stopped:  # by another thread
                self._drop_late(conn)  # type: ignore[unreachable]
        else:
            self.wait_for_request(conn)
        # leave() may have swept between the question and the act; then it has not seen this one.
        if self.leaving:  # by another thread
            self.reclaim(conn)  # type: ignore[unreachable]

    def reclaim(self, conn: Connection) -> None:
        """Let a connection leave that was given to the loop a moment ago, unless somebody took it meanwhile."""
        if not self.take_back(conn):
            return
        if conn.phase > HEAD:  # somebody had it, for a whole request: it leaves when that is done
            self.put_back(conn, conn.polled)
        else:
            self.depart(conn)

    def wait_for_request(self, conn: Connection, events: int = READ) -> None:
        """`put_back` for a connection that may be idle: bytes of its next request may be here already."""
        # The bytes of a HEAD have been looked at: asked for again while leaving, they would keep the loop spinning.
        fd, waiting = conn.fd, conn.phase == IDLE and bool(conn.data)
        self.put_back(conn, events)
        if waiting:
            self.ready.append(fd)
            self.wake_leader()

    def note_refusal(self, conn: Connection, refusal: Refusal) -> None:
        """A request is answered with an error of ours, and the connection closed; in gunicorn's words."""
        self.counters.refused += 1
        address = conn.peer[0] if conn.peer.__class__ is tuple else conn.peer
        self.log.warning("Invalid request from ip=%s: %s", address, refusal)

    # the end of a connection

    def drop(self, conn: Connection) -> None:
        """Close now. The caller owns it, or nobody does any more."""
        # Unregistered first: a forked child may hold the same open file, and then close() alone leaves it in epoll.
        self.disarm(conn)
        if conn.raw is not None:
            conn.raw.wake()
        conn.sock.close()
        self.forget(conn)

    def forget(self, conn: Connection) -> None:
        """It is not ours any more: closed, or with another process."""
        was_in_request, conn.request, conn.work = conn.request is not None, None, None
        self.live.discard(conn)
        if conn.adopted:
            with self.lock:
                self.adopted -= 1
        self.room_again()
        if not self.live or (self.leaving and was_in_request):
            self.changed()

    def finish(self, conn: Connection) -> None:
        """Close so that the peer gets everything: our FIN first, then its FIN is awaited by the loop.

        close() at once would answer bytes that are still on their way with a reset, and the reset may
        overtake the answer (RFC 9112, section 9.6).
        """
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:  # the peer is gone
            self.drop(conn)
            return
        ended, conn.request, conn.work = conn.request is not None, None, None
        conn.data = b""
        conn.phase = FIN
        conn.deadline = monotonic() + self.limits.fin_timeout
        self.put_back(conn)
        if ended and self.leaving:
            self.changed()
