"""Leaving, coming back, and ending by force: what a restart asks of the engine.

A connection leaves when it is idle. Busy ones are finished as if nothing happened and leave then, from
whichever thread finished them; `Core.owned` decides who sends a connection away, so none is sent twice and
none is forgotten.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING, cast

from hotswap.engine.connection import HANDSHAKE, HEAD, IDLE, Connection
from hotswap.engine.model import InFlight, Moved
from hotswap.engine.proxied import from_text, to_text
from hotswap.engine.tls import TlsSocket

if TYPE_CHECKING:
    from hotswap.engine.acceptor import Acceptor
    from hotswap.engine.core import Core
    from hotswap.engine.threads import Threads
    from hotswap.engine.uploads import Uploads

Give = Callable[[list[Moved]], list[Moved]]


class Leaving:
    """The engine's change of mind. Its methods are called from any thread but are not for two threads at once."""

    def __init__(self, core: Core, acceptor: Acceptor, threads: Threads, uploads: Uploads) -> None:
        self._core = core
        self._acceptor = acceptor
        self._threads = threads
        self._uploads = uploads
        self._give: Give | None = None
        self._one_at_a_time = threading.RLock()  # so that `give` need not be thread-safe
        core.depart = self.depart

    def leave(self, give: Give | None) -> None:
        """Stop accepting and let every connection go: to `give`, or by draining."""
        core = self._core
        self._give = give
        core.draining = give is None
        # Before `leaving` stands: what another `give` refused may be taken by this one, but not be offered to it twice.
        for conn in list(core.live):
            conn.closing = False
        core.leaving = True
        # Unregistered first, then emptied: what arrives in between is accepted here, what comes later waits
        # for others.
        self._acceptor.stop()
        self._acceptor.empty()
        self._sweep()

    def resume(self) -> None:
        """Serve again, and keep what is left."""
        core = self._core
        self._give = None
        core.leaving = core.draining = False
        for conn in list(core.live):
            conn.closing = False
        now = monotonic()
        for conn in self._loop_owned():
            if conn.phase == IDLE:
                core.idle(conn, now)
            else:
                core.put_back(conn, conn.polled)
        self._acceptor.start()

    def adopt(self, arrivals: Iterable[Moved]) -> None:
        """Take over connections of another process; whole requests among their bytes are served at once."""
        core = self._core
        for moved in arrivals:
            service = core.services.get(moved.key)
            if service is None:
                core.log.warning("a connection for %s was handed over, which is not served here: closed", moved.key)
                moved.sock.close()
                continue
            moved.sock.setblocking(False)
            conn = Connection(moved.sock, service, moved.peer or _peer(moved.sock))
            if moved.fresh:
                self._acceptor.welcome(conn)
                continue
            try:
                conn.proxy = from_text(moved.proxy)
            except ValueError:
                # Without it the application would take the proxy for the client.
                core.log.warning("what a proxy said of a connection cannot be read (%.200r): closed", moved.proxy)
                moved.sock.close()
                continue
            conn.data, conn.adopted = moved.data, True
            with core.lock:
                core.adopted += 1
                core.counters.adopted += 1
            core.live.add(conn)
            core.idle(conn, monotonic(), core.limits.keepalive or core.limits.head_timeout)

    def hammer(self) -> list[InFlight]:
        """End every connection now; returns the requests that were cut."""
        core = self._core
        cut = self.in_flight()
        for queue in (self._threads.jobs, self._uploads.waiting):
            while queue:
                try:
                    core.drop(queue.popleft())
                except IndexError:  # a thread took it
                    break
        mine = set(self._loop_owned())
        for conn in list(core.live):
            if conn in mine:
                core.drop(conn)
                continue
            try:
                # Its thread owns it: reads and writes there fail from now on, and it ends the connection.
                conn.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        return cut

    def in_flight(self) -> list[InFlight]:
        """The requests that were read and are not answered to the last byte."""
        requests = ((conn, conn.request) for conn in list(self._core.live))
        return [InFlight(r.method, r.uri, r.started, conn.peer) for conn, r in requests if r is not None]

    # one connection

    def depart(self, conn: Connection) -> None:
        """A connection became idle while leaving. The caller owned it."""
        if self._give is None or conn.closing or conn.tls:
            self._linger(conn)
        elif conn.movable(self._core.limits.movable):
            self._hand_over([conn])
        else:
            self._core.wait_for_request(conn)  # it has whole requests in plenty: they are served first
        if conn.request is None:
            self._core.changed()

    def _linger(self, conn: Connection) -> None:
        """Wait a moment for the request that may be on the wire; its answer is the last."""
        core, give = self._core, self._give
        conn.closing = True
        # One that only its keys keep here has all of its keep-alive time: nobody waits for us to end.
        if conn.phase == IDLE and not (conn.tls and give is not None):
            conn.deadline = monotonic() + core.limits.drain_linger
        core.wait_for_request(conn)
        # leave() or resume() may have swept before it was there to be found.
        if (self._give is not give or not core.leaving) and core.take_back(conn):
            conn.closing = False
            core.idle(conn, monotonic())

    def _hand_over(self, conns: list[Connection]) -> None:
        """Offer connections that we own; those that are not taken drain."""
        core, give = self._core, self._give
        offers = []
        for conn in conns:
            core.disarm(conn)
            sock = cast(socket.socket, conn.sock)  # no TlsSocket: those are not movable
            offers.append(Moved(sock, conn.service.key, conn.peer, conn.data, to_text(conn.proxy)))
        refused = {id(moved) for moved in self._offer(give, offers)}
        for conn, moved in zip(conns, offers, strict=True):
            if id(moved) in refused:
                self._linger(conn)
            else:
                core.counters.handed_over += 1
                core.forget(conn)

    def _offer(self, give: Give | None, offers: list[Moved]) -> list[Moved]:
        if give is None:  # leave(None) or resume() came in between
            return offers
        with self._one_at_a_time:
            try:
                return give(offers)
            except Exception:
                core = self._core
                core.log.exception("handing connections over failed: they are drained")
                return offers

    # all of them

    def _loop_owned(self) -> list[Connection]:
        """Take everything that the loop owns."""
        core = self._core
        found = []
        for fd in list(core.owned):
            conn = core.take(fd)
            if conn is not None:
                found.append(conn)
        return found

    def _sweep(self) -> None:
        core = self._core
        batch: list[Connection] = []
        for conn in self._loop_owned():
            if conn.phase > HEAD or conn.closing:
                self._hurry(conn)
                core.wait_for_request(conn, conn.polled)
            elif self._give is None or not conn.movable(core.limits.movable):
                self.depart(conn)
            else:
                batch.append(conn)
        for start in range(0, len(batch), core.limits.turn):
            self._hand_over(batch[start : start + core.limits.turn])

    def _hurry(self, conn: Connection) -> None:
        """Draining, a connection whose handshake has not even begun waits no longer than an idle one."""
        if conn.phase == HANDSHAKE and self._give is None and not isinstance(conn.sock, TlsSocket):
            conn.deadline = min(conn.deadline, monotonic() + self._core.limits.drain_linger)


def _peer(sock: socket.socket) -> tuple[object, ...] | str:
    try:
        peer = sock.getpeername()
    except OSError:  # it has gone meanwhile: the first read will say so
        return ""
    return peer if isinstance(peer, tuple) else ""
