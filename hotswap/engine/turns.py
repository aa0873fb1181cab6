"""What the leading thread does: wait, and give every connection that has something to say one turn.

A turn reads once and serves at most one request, so that a pipelining client does not own the leader.
Requests are run inline; the leader notices afterwards whether the lead was taken from it meanwhile.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from threading import get_ident
from time import monotonic, pthread_getcpuclockid
from typing import TYPE_CHECKING

from hotswap.engine.body import Collector
from hotswap.engine.call import CLOSE, DROP, FLUSH, KEEP
from hotswap.engine.connection import BODY, FIN, HANDSHAKE, HEAD, IDLE, WRITE, Connection
from hotswap.engine.core import RECV, WRITABLE
from hotswap.engine.pace import SLOW, Measure, Pace
from hotswap.engine.refusal import Refusal, page
from hotswap.engine.response import Outbox
from hotswap.engine.sources import Sources
from hotswap.engine.uploads import Held, Uploads

if TYPE_CHECKING:
    from hotswap.engine.call import Caller
    from hotswap.engine.core import Core
    from hotswap.engine.deadlines import Deadlines
    from hotswap.engine.head import HeadReader, Request
    from hotswap.engine.pace import Route
    from hotswap.engine.threads import Threads

_EVENTS = 128  # a turn of the loop
_DRAIN = 1 << 16  # read at once from a connection that is being closed
_MAX_WAIT = 3600.0


class Turns:
    """The loop. `lead` is run by one thread at a time; `serve` by any other."""

    def __init__(self, core: Core, reader: HeadReader, deadlines: Deadlines) -> None:
        self._core = core
        self._reader = reader
        self._deadlines = deadlines
        self.sources = Sources(core)
        self.sources[core.waker.fd] = self._awake
        self.pace = Pace()
        self.uploads = Uploads(core.limits.uploads)
        self.held = Held(core)
        self.threads: Threads
        self.caller: Caller
        self.wake_monitor: Callable[[], None] = lambda: None
        self.shake: Callable[[Connection], None]
        self.monitor_sleeps = False
        self.turns = 0  # requests run inline, for the monitor to see whether anything moves
        self.now = monotonic()
        self.leader_clock = 0

    def _awake(self, _fd: int) -> None:
        self._core.waker.rest()

    # the loop

    def lead(self, slot: list[Connection]) -> None:
        """Lead until the lead is lost or the engine stops. No exception takes the lead with it."""
        self._core.leader = me = get_ident()
        self.leader_clock = pthread_getcpuclockid(me)
        while not self._core.stopped:
            try:
                if not self._round(slot):
                    return
            except BaseException:  # whatever it is, somebody has to go on polling
                if self._core.stopped:  # by another thread
                    return  # type: ignore[unreachable]
                self._core.log.exception("the engine's loop failed and goes on")
                if not self.threads.leads(slot):
                    return

    def _round(self, slot: list[Connection]) -> bool:
        """Wait once and serve what is there. False: the lead is lost."""
        core = self._core
        ready = core.ready
        if ready:
            wait = 0.0
        else:
            wait = min(max(core.next_tick - self.now, 0.0), _MAX_WAIT)
        events = core.epoll.poll(wait, _EVENTS)
        self.now = monotonic()
        core.crowded = self.threads.count - len(self.threads.idle) > 1
        if self.now >= core.next_tick:
            self._deadlines.tick(self.now)
        for fd, mask in events:
            if not self._turn(fd, mask, slot):
                return False
        # One by one: those that are left when the lead is lost must still be there for the next leader.
        return not ready or all(self._turn(ready.popleft(), 0, slot) for _ in range(len(ready)))

    def _turn(self, fd: int, mask: int, slot: list[Connection]) -> bool:
        """Whoever is behind `fd`. False: the lead is lost."""
        conn = self._core.owned.pop(fd, None)
        if conn is None:
            self._other(fd, mask)
            return True
        try:
            return self._step(conn, mask, slot) if conn.phase > HEAD else self._hear(conn, mask, slot)
        except BaseException:  # noqa: BLE001  a fault of ours, or of a logger: it costs this connection, not the others
            return self._fault(conn, slot)

    def _fault(self, conn: Connection, slot: list[Connection]) -> bool:
        leading = self.threads.leads(slot)
        self._lost(conn)
        return leading

    def _lost(self, conn: Connection) -> None:
        core = self._core
        core.log.exception("the engine failed over a connection and closes it")
        if conn in core.live and core.owned.get(conn.fd) is not conn:
            core.drop(conn)

    def _other(self, fd: int, mask: int) -> None:
        """A listener, the exchange, the waker; or a connection that another thread has just taken, or puts back now."""
        if not self.sources.run(fd, mask):
            self._core.hush(fd)

    # requests

    def _hear(self, conn: Connection, mask: int, slot: list[Connection]) -> bool:
        """Bytes of a head, or the end of the connection. False: the lead is lost."""
        if conn.data and conn.phase == IDLE:
            # Bytes nobody has looked at go first: reading on would let a pipelining client fill the memory, and meet
            # the end of the connection before the requests that came before it.
            return self._begin(conn, conn.data, slot)
        core = self._core
        try:
            data = core.unyielding.recv(conn.sock) if core.crowded else conn.sock.recv(RECV)
        except BlockingIOError:
            core.put_back(conn, conn.waits_for())
            if core.leaving and not conn.closing:  # as in Core.idle()
                core.reclaim(conn)
            return True
        except OSError:
            data = b""
        if not data:
            # Whole requests before a half-close have been answered: they were served before this was read.
            core.drop(conn)
            return True
        if conn.data:
            data = conn.data + data
        return self._begin(conn, data, slot)

    def _begin(self, conn: Connection, data: bytes, slot: list[Connection]) -> bool:
        """Find a request in `data` and serve it."""
        try:
            request = self._reader.read(data, conn)
        except Refusal as refusal:
            conn.data = b""
            self.refuse(conn, refusal)
            return True
        if request is None:
            self._wait_for_head(conn, data)
            return True
        conn.data = data[request.consumed :]
        conn.request = request
        conn.phase = IDLE
        request.started = self.now
        if request.length or request.expect:
            return self._begin_body(conn, request, slot)
        if request.upgrade:
            self._core.disarm(conn)
            self.threads.hand(conn)  # it will talk with its client for a long time
            return True
        return self._run(conn, request, slot)

    def _wait_for_head(self, conn: Connection, data: bytes) -> None:
        core = self._core
        conn.data = data
        if conn.phase == IDLE:
            # From its first byte: a client that sends one byte at a time gains nothing.
            conn.phase = HEAD
            conn.deadline = self.now + core.limits.head_timeout
        core.put_back(conn)
        if core.leaving:
            core.reclaim(conn)

    def _run(self, conn: Connection, request: Request, slot: list[Connection]) -> bool:
        """Run it here and now, unless no other thread could take the lead from this one."""
        threads = self.threads
        if not threads.can_spare():
            self._core.lend(conn)
            threads.hand(conn)
            return True
        routes = self.pace.routes
        if routes:
            route = routes.get(request.path)
            if route is not None and route.rest <= self.turns:
                return self._run_measured(conn, request, slot, route)
        return self._run_inline(conn, request, slot)

    def _run_inline(
        self, conn: Connection, request: Request, slot: list[Connection], measure: Measure | None = None
    ) -> bool:
        core = self._core
        core.counters.requests += 1
        self.turns += 1
        slot.append(conn)
        if self.monitor_sleeps:
            self.wake_monitor()
        outcome = self.caller.run(conn, request, measure)
        leading = self.threads.regained(slot)
        now = monotonic()
        if now - self.now > SLOW:
            self.pace.slow(request.path, self.turns)
        self.now = now
        if outcome == KEEP:
            core.idle(conn, now)
        else:
            self._end(conn, outcome)
        return leading

    def _run_measured(self, conn: Connection, request: Request, slot: list[Connection], route: Route) -> bool:
        """A path that was slow once: give the lead away first if it blocks as a rule, else see whether it does."""
        if route.blocks(self.now):
            self._core.lend(conn)  # before there is another leader to see its events
            if not self.threads.pass_on():
                self.threads.hand(conn)
                return True
            self._core.counters.given_away += 1
            self.serve(conn)
            return False
        if self.pace.is_trial(route, self.now):
            self.wake_monitor()
        measure = Measure()
        leading = self._run_inline(conn, request, slot, measure)
        if leading and measure.blocked is not None:  # if the lead was lost, the monitor has had its own look
            self.pace.note(request.path, measure.blocked, self.turns)
        return leading

    def serve(self, conn: Connection) -> None:
        """A request in a thread that does not lead."""
        try:
            self._serve(conn)
        except BaseException:  # noqa: BLE001  a fault of ours, or of a logger: it costs this connection, not the thread
            self._lost(conn)

    def _serve(self, conn: Connection) -> None:
        request = conn.request
        if request is None:
            self._core.drop(conn)
            return
        self._core.counters.requests += 1
        try:
            outcome = self.caller.converse(conn, request) if request.upgrade else self.caller.run(conn, request)
        finally:
            waiting = self.uploads.leave() if request.upload else None
            if waiting is not None:
                # This thread takes it next. Not another one: the leader may count on the last that is free.
                self.threads.jobs.append(waiting)
        if outcome == KEEP:
            self._core.idle(conn, monotonic())
        else:
            self._end(conn, outcome)

    def _end(self, conn: Connection, outcome: int) -> None:
        """After a call that leaves something to do."""
        core = self._core
        if outcome == CLOSE:
            core.finish(conn)
        elif outcome == DROP:
            core.drop(conn)
        elif outcome == FLUSH:
            self.flush(conn)

    # phases that the loop goes through by itself

    def _step(self, conn: Connection, mask: int, slot: list[Connection]) -> bool:
        if conn.phase == BODY:
            return self._collect(conn, slot)
        if conn.phase == WRITE:
            self.flush(conn)
        elif conn.phase == HANDSHAKE:
            self.shake(conn)
        else:
            self._await_fin(conn, mask)
        return True

    def refuse(self, conn: Connection, refusal: Refusal) -> None:
        """Answer with an error and close. The caller owns the connection."""
        self._core.note_refusal(conn, refusal)
        conn.work = Outbox(False, (memoryview(page(refusal.code, str(refusal))),))
        self.flush(conn)

    def flush(self, conn: Connection) -> None:
        """Write what the client takes of an answer that is complete, and go on to what follows it."""
        core = self._core
        outbox: Outbox = conn.work
        before = len(outbox.parts), len(outbox.parts[0]) if outbox.parts else 0
        try:
            done = outbox.flush(conn.sock)
        except OSError:
            core.drop(conn)
            return
        now = monotonic()
        if done:
            if outbox.keep:
                core.idle(conn, now)
            else:
                core.finish(conn)
            return
        if conn.phase != WRITE or before != (len(outbox.parts), len(outbox.parts[0])):
            conn.deadline = now + core.limits.write_timeout
        conn.phase = WRITE
        core.put_back(conn, conn.waits_for(WRITABLE))

    def _await_fin(self, conn: Connection, mask: int) -> None:
        """Throw away what still comes until the peer has closed its side."""
        try:
            data = conn.sock.recv(_DRAIN)
        except BlockingIOError:
            data = b"-"
        except OSError:
            data = b""
        if not data or mask & select.EPOLLHUP:
            self._core.drop(conn)
        else:
            self._core.put_back(conn)

    # bodies

    def _begin_body(self, conn: Connection, request: Request, slot: list[Connection]) -> bool:
        """Collect a small body here; leave a large or an expected one to a thread."""
        limits = self._core.limits
        if request.expect or request.length > limits.body_buffer:
            return self._upload(conn, request)
        conn.work = Collector(request.length)
        data, conn.data = conn.data, b""
        return self._collected(conn, data, slot)

    def _spill(self, conn: Connection, collector: Collector) -> bool:
        """A body that has become too much for memory."""
        assert conn.request is not None
        collector.streams = True
        return self._upload(conn, conn.request)

    def _upload(self, conn: Connection, request: Request) -> bool:
        """A body for the application's thread to read."""
        self._core.disarm(conn)
        request.upload = True
        if self.uploads.enter(conn):
            self.threads.hand(conn)
        return True

    def _collect(self, conn: Connection, slot: list[Connection]) -> bool:
        collector: Collector = conn.work
        if self.held.full(self.now):
            return self._spill(conn, collector)
        try:
            data = conn.sock.recv(collector.wanted())
        except BlockingIOError:
            self._core.put_back(conn, conn.waits_for())
            return True
        except OSError:
            data = b""
        if not data:
            self._core.drop(conn)
            return True
        return self._collected(conn, data, slot)

    def _collected(self, conn: Connection, data: bytes, slot: list[Connection]) -> bool:
        core = self._core
        collector: Collector = conn.work
        request = conn.request
        assert request is not None
        rest = collector.feed(data)
        if rest is not None:
            conn.data = rest
            self.held.release(collector)
            return self._run(conn, request, slot)
        self.held.add(collector, len(data))
        if collector.size > core.limits.body_buffer:
            return self._spill(conn, collector)
        conn.phase = BODY
        conn.deadline = self.now + core.limits.body_timeout
        core.put_back(conn)
        return True

    def expire(self, conn: Connection) -> None:
        """A deadline has passed. The caller owns the connection."""
        core = self._core
        if conn.phase == HEAD:
            self.refuse(conn, Refusal(408, "the request's head took too long"))
        elif conn.phase == BODY:
            self.refuse(conn, Refusal(408, "the request's body stopped coming"))
        elif conn.phase == IDLE:
            core.finish(conn)
        else:
            if conn.phase == FIN:
                core.log.debug("%s did not close its side in time", conn.peer)
            core.drop(conn)
