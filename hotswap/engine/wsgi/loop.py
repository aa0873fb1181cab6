"""The event loop: one thread polls, and runs the requests that it reads.

Theory of operation
-------------------
**Why one thread.** With the GIL, passing a request to another thread costs more than most requests take. So the thread
that polls also runs the requests, one after the other, and the others sleep. It is the leader; the lead is the right to
poll. Only the leader waits in epoll, accepts, reads heads and bodies, looks at deadlines and runs the callbacks of
pollables.

**The token.** While the leader runs a request it does not poll. So before the call it puts the connection into its
`LeadToken`, a list of one element, and pops it after the call. If the call takes long, another thread pops it first:
the stall monitor, or this very thread when it is about to wait for its client. `list.pop` is atomic, so exactly one of
the two gets the element. The leader that gets it goes on. Else the other thread parks the connection and wakes a
sleeping thread, which leads with a new token; the old leader finishes its request, and then sleeps like any other. A
path that blocks as a rule (`BlockingRoutes`) loses the lead before its call. The last free thread never runs a request:
it only leads, so that there is always a thread that polls. Where the system gives no second thread, it serves what
waits for one, between two looks at epoll.

**Ownership.** The loop owns the connections in `ConnectionTable.owned`, by descriptor; a thread that pops one from
there has acquired it, and only the owner touches a connection. `dict.pop` is the lock: of a leader that has an event, a
deadline that has passed and a `leave()` that sweeps, exactly one gets it, and the others find nothing there.

**No thread needs the lead to finish a connection.** epoll_ctl(2) may be called from any thread, so the thread that has
answered releases the connection itself: it has it polled, and puts it into `owned`. If it had to become the leader for
that, it would wait for a leader that sleeps in epoll, perhaps for this very connection. A connection whose request runs
in another thread stays in epoll meanwhile: it is parked. Should its client speak then, the leader finds it not owned
and mutes it: takes it out of epoll until its thread releases it.

**Which thread may call what.** The leader: this class, `RequestReader`, `RequestServer.serve_request`, `Deadlines`,
`Handshakes.step`, `Pollables.run`. The thread that has a request: `ApplicationCall`, `Response`. The monitor:
`ThreadPool.give_up`. Any thread: `ConnectionTable`, `IdleConnections`, `AnswerWriter`, `Offers`, with a connection that
it owns; `ListenerPolling`, `Pollables.add` and `remove`, and the engine's own methods. `EngineState.lock` is held for
moments only, never around a call of the application or of a `give`.

**In which order, and why.**

- Polled, then owned: once in `owned`, another thread may send the connection away and close its descriptor.
- Owned, then its deadline: a tick that came before could not see it, and one that comes later asks for itself.
- Released, then `leaving` again: leave() sweeps `owned` once. A thread that asked before, and released after the sweep,
  takes the connection back and lets it leave itself. The same with `stopped`.
- Out of epoll, then closed or sent: a forked child or the receiving process has the same open file, so close(2) alone
  would leave it in epoll here for ever.
- Parked, then the lead given away: the next leader may have an event of it at once.
- After a lost lead the lock, then the release: the thread that has taken the lead may be parking the connection still.
- `busy`, then the look-up of a callback: a thread that removes a pollable, and finds the engine idle, may close it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic, sleep
from typing import TYPE_CHECKING

from hotswap.engine.connections.connection import BODY
from hotswap.engine.connections.state import BREATH

if TYPE_CHECKING:
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.connections.pollables import Pollables
    from hotswap.engine.connections.table import ConnectionTable
    from hotswap.engine.connections.timeouts import Deadlines
    from hotswap.engine.wsgi.lead import LeadToken
    from hotswap.engine.wsgi.serve import RequestServer
    from hotswap.engine.wsgi.thread_pool import ThreadPool

_EVENTS = 128  # of one look at epoll

#: What serves the events of one look: whether the calling thread leads still.
ServeEvents = Callable[[list[tuple[int, int]], "LeadToken"], bool]

#: Makes a lane of what serves requests, and of what a loop does with events that are not plain.
MakeLane = Callable[["RequestServer", "EventLoop"], ServeEvents]

#: What the loop does by itself with a connection in a phase behind BODY: the connection, and what epoll said.
Step = Callable[["Connection", int], None]


class EventLoop:
    """Waits, and gives every connection that has something to say one turn. `lead` is run by one thread at a time."""

    def __init__(
        self,
        table: ConnectionTable,
        pollables: Pollables,
        deadlines: Deadlines,
        server: RequestServer,
        steps: Mapping[int, Step],
        make_lane: MakeLane | None = None,
    ) -> None:
        self._table = table
        self._state = table.state
        self._owned, self._ready = table.owned, table.ready
        self._pollables = pollables
        self._deadlines = deadlines
        self._serve_request = server.serve_request
        self._steps = steps
        self._serve_events: ServeEvents = self._serve_each
        if make_lane is not None:
            self._serve_events = make_lane(server, self)

    def lead(self, token: LeadToken, pool: ThreadPool) -> None:
        """Lead until the lead is lost or the engine stops. No exception takes the lead with it."""
        state = self._state
        state.lead_here()
        while not state.stopped:
            try:
                if not self._iterate(token, pool):
                    return
            except BaseException:  # noqa: BLE001  whatever it is, one thread has to go on polling
                if state.stopped:  # by another thread
                    return  # type: ignore[unreachable]
                state.errors.exception("the engine's loop failed and goes on")
                if not token.regain_after_fault():
                    return
                sleep(BREATH)

    def _iterate(self, token: LeadToken, pool: ThreadPool) -> bool:
        """Wait once and serve what is there. False: the lead is lost."""
        state, ready = self._state, self._ready
        wait = 0.0 if ready else state.next_tick - state.now
        events = self._pollables.poll(wait if wait > 0.0 else 0.0, _EVENTS)
        state.now = now = monotonic()
        # More threads than this one are awake: each time one of them let go of the GIL, others would take it.
        state.gil_held_io = pool.gil_held_io if pool.count - len(pool.idle) > 1 else None
        if now >= state.next_tick:
            self._deadlines.tick(now)
        if not self._serve_events(events, token):
            return False
        # One by one: those that are left when the lead is lost must still be there for the next leader.
        if ready and not all(self._serve_events([(ready.popleft(), 0)], token) for _ in range(len(ready))):
            return False
        if pool.jobs:
            pool.serve_alone()
        return True

    def _serve_each(self, events: list[tuple[int, int]], token: LeadToken) -> bool:
        """Serve these. False: the lead is lost. Its twin is events.c."""
        for fd, mask in events:
            conn = self._owned.pop(fd, None)
            if conn is None:
                self.answer_other(fd, mask)
            elif not self.go_on(conn, mask, token):
                return False
        return True

    def answer_other(self, fd: int, mask: int) -> bool:
        """An event of a listener, the exchange or the waker; or of a connection that another thread has acquired, or
        releases now. True: this thread leads still."""
        if not self._pollables.run(fd, mask):
            self._table.mute(fd)
        return True

    def go_on(self, conn: Connection, mask: int, token: LeadToken) -> bool:
        """An event of a connection that the leading thread has acquired. False: the lead is lost."""
        try:
            if conn.phase <= BODY:
                return self._serve_request(conn, token)
            self._steps[conn.phase](conn, mask)
        except BaseException as error:  # noqa: BLE001  a fault of ours, or of a logger
            return self.end_after_fault(conn, token, error)
        return True

    def end_after_fault(self, conn: Connection, token: LeadToken, error: BaseException) -> bool:
        """A fault costs this connection, not the others. False: the lead is lost."""
        leading = token.regain_after_fault()
        try:
            raise error
        except BaseException:  # noqa: BLE001  what is logged is the exception that is handled
            self._table.close_after_fault(conn)
        finally:
            del error  # a circle of exception, traceback and this frame would keep the connection
        return leading
