"""Connections in an event loop: one descriptor of the loop's is the epoll of all of them.

Theory of operation
-------------------
**An epoll in the loop.** The connections are polled by an epoll of the engine's own, as those of the WSGI engine are,
and the event loop polls that epoll's descriptor: `turn` is its reader. A connection costs the loop nothing while it is
idle, and since epoll_ctl(2) and `ConnectionTable` are thread-safe, any thread may take an idle connection away or
bring one. So `leave`, `resume`, `shed`, `adopt`, `open` and `pause` do their work in the thread that calls them and
wait for nothing: an `async def` that blocks the loop for seconds keeps no idle connection from leaving. What the loop
has to do itself, to cancel calls for one, crosses by `LoopThread.call_soon`.

**Ownership.** As in the WSGI engine: who pops a connection out of `ConnectionTable.owned` has acquired it. Of the
loop's thread that has an event, a deadline, and a `leave()` that sweeps in another thread, exactly one gets it. The
loop's thread reads a request and gives the connection to the request's call: it stands in `CallContext.busy` then,
polled all the same, and only the loop's thread touches it there. When the answer is complete, the call lets it go:
`part`, then one of `IdleConnections.keep` (for its next request here or in another process),
`ConnectionTable.half_close`, or the phases WRITE (the client has not taken all) and BODY (some of the request's body
is to be thrown away), in which the loop has it.

**One task for each request**, `HttpCall.run`, as with uvicorn. It is made in `turn`, whose context is the loop's own:
no request sees another one's context variables. With few clients its first step runs there too, before `turn` goes on
(`EagerTasks`); an answer that needs no more has been sent then, and its connection has been given back. The task may
go on when its answer is complete (background work): then it has no connection any more, and the next request of the
same connection has a task of its own. The engine is idle when no such task runs either. Only the hammer and the end
of the loop cancel tasks; a client that goes does not.

**Bytes.** A head is held back until the first of its body, so that both go in one system call, but not beyond the
loop's round (`CallContext.expect`). Of a body in pieces the first goes at once, and those that follow it in the same
round go together when that ends, or are 64 KiB; as with uvloop's transports, where the first waits as well. What the
client does not take is held back in `ClientWire`, and the next `send` waits while that is more than 64 KiB. Reading
goes on while a request runs, since its client's end is to be seen, but pauses while 64 KiB of its body wait for
`receive`, or 16 KiB of the next requests.

**Which thread may call what.** The loop's thread: this class, `Calls`, `ClientWire` and `HttpCall`, `RequestReader`,
`Deadlines`, `Handshakes.step`, `Pollables.run`. Any thread: `ConnectionTable`, `IdleConnections`, `Offers`,
`Transfer`, with a connection that it owns; `ListenerPolling`, `Pollables.add` and `remove`, `Calls.in_flight`, the
engine's methods.

**In which order, and why.**

- Out of `busy`, then into `owned`: an event finds a connection in one of them only.
- Into `running`, then out of `live`: who asks whether the engine is idle looks at `live` first.
- The orders of `engine.wsgi.loop` about polling, owning, leaving and closing hold here too: it is the same code.
- Cleared `is_due`, then looked at what is ready: what becomes ready later asks for a turn of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING

from hotswap.engine.connections.connection import BODY
from hotswap.engine.http1.error_page import Refusal

if TYPE_CHECKING:
    import asyncio

    from hotswap.engine.asgi.call_context import Wire
    from hotswap.engine.asgi.calls import Calls
    from hotswap.engine.asgi.loop_state import LoopState
    from hotswap.engine.asgi.sites import BaseScopes
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.connections.parts import ConnectionParts
    from hotswap.engine.connections.reader import Reader

_EVENTS = 128  # of one look at epoll
#: Up to so many events, each request's call begins in the turn that has read it: what costs then is a round of the loop
#: for one request (measured with 1 and 2 clients: 6 and 14 % of the CPU). With more, to read all of them first and then
#: to call for all of them costs less (with 64 clients 15 %).
_FEW = 2

#: What the loop does by itself with a connection in a phase behind BODY: the connection, and what epoll said.
Step = Callable[["Connection", int], None]


class ConnectionLoop:
    """Gives every connection that has something to say one turn. On the loop's thread."""

    def __init__(
        self,
        state: LoopState,
        parts: ConnectionParts,
        scopes: BaseScopes,
        reader: Reader,
        calls: Calls,
        steps: Mapping[int, Step],
    ) -> None:
        self._state = state
        self._table, self._pollables, self._deadlines = parts.table, parts.pollables, parts.deadlines
        self._refuse = parts.writer.refuse
        self._fd = parts.poller.fileno()
        self._owned, self._ready, self._busy = parts.table.owned, parts.table.ready, calls.busy
        self._scopes = scopes
        self._read = reader.read
        self._begin = calls.begin
        self._calls = calls
        self._steps = steps
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._begun = False

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve in `loop`, whose thread this is."""
        self._state.run_here(loop, self.turn)
        self._calls.run_in(loop)
        loop.add_reader(self._fd, self.turn)
        self._begun = True
        self.turn()

    def end(self) -> None:
        """Serve no more, whatever comes. It may be called again, and also if it has not begun."""
        if self._timer is not None:
            self._timer.cancel()
        if self._begun:
            self._state.loop.remove_reader(self._fd)

    def turn(self) -> None:
        """Serve what has something to say, what is ready, and what is due."""
        state, ready = self._state, self._ready
        if state.draining:  # or it is a child that the application has forked: both processes poll the same epoll
            state.end_child()
        if state.stopped:
            self.end()  # what it would look at stays ready, and would be told of again at once
            return
        state.is_due = False
        state.now = now = monotonic()
        events = self._pollables.poll(0.0, _EVENTS)
        self._calls.at_once = len(events) + len(ready) <= _FEW
        for fd, mask in events:
            self._handle(fd, mask)
        # Those that were ready before; what becomes ready meanwhile has the next turn.
        for _ in range(len(ready)):
            self._handle(ready.popleft(), 0)
        if self._calls.has_begun:
            self._calls.expect_end()
        if now >= state.next_tick:
            self._deadlines.tick(now)
        if state.next_tick != self._timer_at:
            self._set_timer()

    def _handle(self, fd: int, mask: int) -> None:
        """One event."""
        conn = self._owned.pop(fd, None)
        if conn is None:
            wire = self._busy.get(fd)
            if wire is not None:
                self._tell(wire)
            elif not self._pollables.run(fd, mask):
                self._table.mute(fd)
            return
        try:
            if conn.phase <= BODY:
                self._serve(conn)
            else:
                self._steps[conn.phase](conn, mask)
        except Exception:  # noqa: BLE001  a fault of ours, or of a logger: it costs this connection, not the others
            self._busy.pop(fd, None)
            self._table.close_after_fault(conn)

    def _tell(self, wire: Wire) -> None:
        try:
            wire.on_event()
        except Exception:  # noqa: BLE001  as above
            wire.part()
            self._table.close_after_fault(wire.conn)
            wire.connection_lost()

    def _serve(self, conn: Connection) -> None:
        """Read a request, and call the application."""
        if not conn.base:
            self._scopes.give(conn)
        try:
            request = self._read(conn)
            if request is not None:
                self._begin(conn, request)
        except Refusal as refusal:
            self._refuse(conn, refusal)

    def _set_timer(self) -> None:
        """Have the next turn no later than the next deadline."""
        state = self._state
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at = state.next_tick
        self._timer = state.loop.call_later(max(0.0, at - monotonic()), self._tick, context=state.context)

    def _tick(self) -> None:
        self._timer_at = 0.0  # it is used up
        self.turn()
