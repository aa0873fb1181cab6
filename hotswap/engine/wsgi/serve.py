"""The story of one request."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from hotswap.engine.connections.answer_writer import KEEP
from hotswap.engine.http1.error_page import Refusal
from hotswap.engine.wsgi.blocking_routes import SLOW, Measure, PathStats

if TYPE_CHECKING:
    from hotswap.engine.connections.answer_writer import AnswerWriter
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.connections.reader import Reader
    from hotswap.engine.connections.table import ConnectionTable
    from hotswap.engine.wsgi.application_call import ApplicationCall
    from hotswap.engine.wsgi.blocking_routes import BlockingRoutes
    from hotswap.engine.wsgi.lead import LeadToken
    from hotswap.engine.wsgi.stall_monitor import StallMonitor
    from hotswap.engine.wsgi.thread_pool import ThreadPool
    from hotswap.engine.wsgi.wsgi_request import WsgiRequest


class LeadKeepers(NamedTuple):
    """What decides, request by request, which thread leads: the threads, what is known of paths, and the monitor."""

    pool: ThreadPool
    routes: BlockingRoutes
    monitor: StallMonitor


class RequestServer:
    """Serves requests: on the leading thread, or on a thread that was handed one."""

    def __init__(
        self,
        table: ConnectionTable,
        reader: Reader,
        call: ApplicationCall,
        writer: AnswerWriter,
        keepers: LeadKeepers,
    ) -> None:
        self.table, self.call, self.keepers = table, call, keepers
        self._state = table.state
        self._read = reader.read
        self._run = call.run
        self._writer = writer
        self._keep = writer.keep
        self._pool, self._routes, self._monitor = keepers.pool, keepers.routes, keepers.monitor

    def serve_request(self, conn: Connection, token: LeadToken) -> bool:
        """One request, from the bytes that its client has sent to the bytes that the client takes now.

        On the leading thread, which holds `token` and has acquired the connection; afterwards the loop or another
        thread owns it. False: this thread has lost the lead, and must not poll any more.
        """
        try:
            request = self._read(conn)
        except Refusal as refusal:
            self._writer.refuse(conn, refusal)
            return True
        if request is None:  # not all of it is there, or the client has gone
            return True
        state = self._state
        if request.upload or request.upgrade or not self._pool.can_spare():
            return self._hand(conn, request)
        paths, measure = self._routes.paths, None
        if paths and (stats := paths.get(request.path)) is not None and stats.rest <= state.turns:
            if stats.blocks(state.now):
                return self._serve_without_lead(conn)
            self.look_closely(stats)
            measure = Measure()
        state.counters.requests += 1
        state.turns += 1
        token.begin(conn)  # from here on another thread may take the lead
        if self._monitor.sleeps:
            self._monitor.wake()
        outcome = self._run(conn, request, measure)  # environ, application, answer
        leading, now = token.regain(), monotonic()
        if leading:
            if measure is not None or now - state.now > SLOW:
                self.learn(request.path, None if measure is None else measure.blocked, now - state.now)
            state.now = now
        if outcome == KEEP:
            self._keep(conn, now)  # for its next request, here or in another process
        else:
            self._writer.end(conn, outcome)
        return leading

    def _hand(self, conn: Connection, request: WsgiRequest) -> bool:
        """To another thread: the request reads from its client, perhaps for a long time; or this thread is the last
        that is free, and has to go on polling."""
        if request.upload:
            self._pool.hand_upload(conn)
        elif request.upgrade:
            self._pool.hand_long(conn)
        else:
            self._pool.hand(conn)
        return True

    def look_closely(self, stats: PathStats) -> None:
        """Before a call of a path that was slow before, and that keeps the lead."""
        if self._routes.begin_trial(stats, self._state.now):
            self._monitor.wake()

    def learn(self, path: str, blocked: bool | None, seconds: float) -> None:
        """After a call that took so long, with the lead: if it was lost, the monitor has had its own look.

        `blocked`: what was measured; None if it was not, or cannot be told.
        """
        if seconds > SLOW:
            self._routes.note_slow(path, self._state.turns)
        if blocked is not None:
            self._routes.note(path, blocked, self._state.turns)

    def _serve_without_lead(self, conn: Connection) -> bool:
        """A path that blocks as a rule. False: the lead is lost."""
        if not self.give_lead_away(conn):
            return True
        self.serve_here(conn)
        return False

    def give_lead_away(self, conn: Connection) -> bool:
        """Before a call that blocks as a rule, which the calling thread makes then. False: there is no thread that
        could lead; this one does, and the request is handed to the first that is free."""
        self.table.park(conn)  # before there is another leader to see its events
        if not self._pool.pass_on():
            self._pool.hand(conn)
            return False
        self._state.counters.given_away += 1
        return True

    def serve_here(self, conn: Connection) -> None:
        """A request that was handed to this thread, which does not lead. Never raises."""
        try:
            self._serve_here(conn)
        except BaseException:  # noqa: BLE001  a fault of ours, or of a logger: it costs this connection, not the thread
            self.table.close_after_fault(conn)

    def _serve_here(self, conn: Connection) -> None:
        request = conn.request
        if request is None:
            self.table.close(conn)
            return
        self._state.counters.requests += 1
        try:
            outcome = self.call.converse(conn, request) if request.upgrade else self._run(conn, request)
        finally:
            if request.upload:
                self._pool.upload_done()
        if outcome == KEEP:
            self._keep(conn, monotonic())
        else:
            self._writer.end(conn, outcome)
