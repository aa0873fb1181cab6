"""Which thread owns which connection.

The rule everything here serves: **no thread needs the lead to finish a connection**. It has the connection polled
again (epoll_ctl(2) is thread-safe) and puts it into `owned`; the thread that pops it out of there next owns it, and
`dict.pop` gives it to exactly one.
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING

from hotswap.engine.connections.connection import FIN, IDLE, Connection
from hotswap.engine.connections.poller import READ

if TYPE_CHECKING:
    from hotswap.engine.connections.listener_polling import ListenerPolling
    from hotswap.engine.connections.pollables import Pollables
    from hotswap.engine.connections.poller import Poller
    from hotswap.engine.connections.state import EngineState


class ConnectionTable:
    """The live connections of an engine, and the few acts on them that must be done in one certain order.

    Any thread may call, with a connection that it owns; where a method says so, it owns the connection no longer.
    """

    def __init__(self, state: EngineState, poller: Poller, pollables: Pollables, listeners: ListenerPolling) -> None:
        self.state = state
        self._poller = poller
        self._pollables = pollables
        self._listeners = listeners
        #: By descriptor: the connections that the loop owns.
        self.owned: dict[int, Connection] = {}
        #: By descriptor: those whose requests run in other threads than the leader's, and that are polled all the same.
        self.parked: dict[int, Connection] = {}
        #: Descriptors whose next bytes are read already: epoll will not tell of them.
        self.ready: deque[int] = deque()

    def add(self, conn: Connection) -> None:
        """A connection begins. The caller owns it."""
        self.state.live.add(conn)

    # ownership

    def acquire(self, fd: int) -> Connection | None:
        """Become the owner of a connection that the loop owns; None if another thread was quicker."""
        return self.owned.pop(fd, None)

    def reacquire(self, conn: Connection) -> bool:
        """Become the owner of a connection that the loop owned a moment ago; False if another thread was quicker."""
        if self.owned.get(conn.fd) is not conn:
            return False
        found = self.acquire(conn.fd)
        if found is conn:
            return True
        if found is not None:  # ours has ended in between, and another one has got its number
            self.release_unread(found, found.polled)
        return False

    def acquire_all(self) -> list[Connection]:
        """Become the owner of every connection that the loop owns."""
        return [conn for fd in list(self.owned) if (conn := self.acquire(fd)) is not None]

    def release(self, conn: Connection, events: int = READ) -> None:
        """Give a connection to the loop, to go on with its phase. The caller owned it and no longer does."""
        deadline, state = conn.deadline, self.state
        if conn.fd not in self.parked and conn.polled == events:
            self.owned[conn.fd] = conn
        elif not self._register(conn, events):
            self.close(conn)
            return
        # Only now that it can be found: a tick before this line may not have seen it, and one behind it asks again.
        if deadline < state.next_tick:
            state.tick_at(deadline)
        if state.stopped:
            self.drop_late(conn)

    def release_unread(self, conn: Connection, events: int = READ) -> None:
        """`release` for a connection that may be idle: bytes of its next request may have been read already."""
        # The bytes of a HEAD have been looked at: asked for again while leaving, they would keep the loop spinning.
        fd, waiting = conn.fd, conn.phase == IDLE and bool(conn.data)
        self.release(conn, events)
        if waiting:
            self.ready.append(fd)
            self.state.wake_leader()

    def drop_late(self, conn: Connection) -> None:
        """For a thread that has released a connection and finds the engine stopped: stop() has closed the connections
        that it found, and may not have found this one."""
        if self.reacquire(conn):
            self.close(conn)

    def _register(self, conn: Connection, events: int) -> bool:
        """Have it polled, and only then found: once in `owned`, another thread may send it away and close it.

        False: the application has closed the socket, or stop() the epoll.
        """
        with self.state.lock:
            parked = self.parked.pop(conn.fd, None)
            try:
                self._poll(conn, events)
            except (OSError, ValueError):
                return False
            before = self.owned.get(conn.fd)
            for other in (parked, before):
                if other is not None and other is not conn and other.sock.fileno() == conn.fd:
                    # An application has closed it by the number: its socket must neither write to ours nor close it.
                    other.sock.detach()
            self.owned[conn.fd] = conn
        if before is not None and before is not conn:
            self.forget(before)  # its application closed it after the call, else this number could not be ours
        return True

    # whether it is polled

    def _poll(self, conn: Connection, events: int) -> None:
        if conn.polled == events:
            return
        if conn.polled:
            self._poller.change(conn.fd, events)
        else:
            self._poller.add(conn.fd, events)
        conn.polled = events

    def watch(self, conn: Connection, events: int) -> None:
        """Have a connection polled for `events` that its owner keeps; with 0, not at all.

        Raises OSError or ValueError if its number is not in use any more.
        """
        if events:
            with self.state.lock:
                self._poll(conn, events)
        else:
            self.disarm(conn)

    def park(self, conn: Connection) -> None:
        """Another thread goes on with its request, and the loop polls it meanwhile.

        Few clients say anything before they have their answer, and taking it out of epoll and putting it back costs
        more than such a call.
        """
        self.parked[conn.fd] = conn

    def mute(self, fd: int) -> None:
        """The leading thread has an event of a connection that the loop does not own. If it is parked, take it out of
        epoll.

        Or a thread is just releasing it: then one of the two threads waits here for the other. To poll again at once
        would find the event again and again, and where both threads share a CPU keep the other from going on for
        whole time slices.
        """
        with self.state.lock:
            conn = self.parked.get(fd)
            if conn is not None:
                self._unpark(conn)

    def disarm(self, conn: Connection) -> None:
        """Take it out of epoll. Not masked with 0: that would still report EPOLLHUP, again and again."""
        # The leading thread may be in mute(): once this returns, that is done, and the socket may be closed or sent.
        with self.state.lock:
            self._unpark(conn)

    def _unpark(self, conn: Connection) -> None:
        if conn.polled:
            conn.polled = 0
            if conn.sock.fileno() == conn.fd or self._number_is_free(conn):
                try:
                    self._poller.remove(conn.fd)
                except (OSError, ValueError):  # the number is not in use, or stop() was quicker
                    pass
        # Last: of a connection that is not found there, `polled` is true.
        if self.parked.get(conn.fd) is conn:
            del self.parked[conn.fd]

    def _number_is_free(self, conn: Connection) -> bool:
        """The application has closed the socket under the engine, or detached it: whether its number is still its own.

        Closed, the number may be used again by now; detached, the application has it open, and only the engine can end
        its being polled.
        """
        fd = conn.fd
        return fd not in self._pollables and all(other is conn or other.fd != fd for other in list(self.state.live))

    # its end

    def close(self, conn: Connection) -> None:
        """Close now. The caller owns it, or no thread does any more."""
        # Unregistered first: a forked child may hold the same open file, and then close() alone leaves it in epoll.
        self.disarm(conn)
        if conn.client_socket is not None:
            conn.client_socket.wake()
        try:
            conn.sock.close()
        except OSError:  # the application has closed it, by its number
            pass
        self.forget(conn)

    @contextlib.contextmanager
    def owning(self, conn: Connection) -> Iterator[None]:
        """What goes wrong within costs this connection, which the caller owns, and not those that come after it."""
        try:
            yield
        except Exception:  # noqa: BLE001  a fault of ours, or of a callback
            self.close_after_fault(conn)

    def close_after_fault(self, conn: Connection) -> None:
        """An exception, which the caller handles, came between a connection's being acquired and being released."""
        self.state.log.exception("the engine failed over a connection and closes it")
        if conn in self.state.live and self.owned.get(conn.fd) is not conn:
            self.close(conn)

    def forget(self, conn: Connection) -> None:
        """It is not the engine's any more: closed, or with another process. Safe to call twice."""
        state = self.state
        try:
            state.live.remove(conn)  # one act: of two threads one goes on
        except KeyError:
            return
        was_in_request, conn.request, conn.work = conn.request is not None, None, None
        if conn.adopted:
            with state.lock:
                state.adopted -= 1
        self._listeners.room_again()
        if not state.live or (state.leaving and was_in_request):
            state.changed()

    def half_close(self, conn: Connection) -> None:
        """Close so that the peer gets everything: our FIN first, then the loop awaits the peer's. The caller owned it.

        close() at once would answer bytes that are still on their way with a reset, and the reset may overtake the
        answer (RFC 9112, section 9.6).
        """
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:  # the peer is gone
            self.close(conn)
            return
        ended, conn.request, conn.work = conn.request is not None, None, None
        conn.data = b""
        conn.phase = FIN
        conn.deadline = monotonic() + self.state.limits.fin_timeout
        self.release(conn)
        if ended and self.state.leaving:
            self.state.changed()
