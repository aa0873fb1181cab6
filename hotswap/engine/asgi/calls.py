"""The requests that run: each is a task, and has a connection until its answer is complete."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from hotswap.engine.asgi.client_wire import NEVER
from hotswap.engine.asgi.eager_task import EagerTasks
from hotswap.engine.asgi.http_call import HttpCall
from hotswap.engine.connections.answer_writer import error_answer
from hotswap.engine.values import InFlight

if TYPE_CHECKING:
    import asyncio

    from hotswap.engine.asgi.asgi_request import AsgiRequest
    from hotswap.engine.asgi.call_context import CallContext, RunningCall
    from hotswap.engine.connections.connection import Connection

#: Whether websockets can be served: by the library of that name.
HAS_WEBSOCKETS = find_spec("websockets") is not None


class Calls:
    """All requests of an engine that run. On the loop's thread, but for what says otherwise."""

    def __init__(self, context: CallContext) -> None:
        self._context = context
        self._state = context.state
        self.busy, self.running = context.busy, context.running
        self.at_once = False  # each call begins in the turn that has read its request, and not in the loop's next round
        self.has_begun = False  # in this turn of the loop, and waits for its next round
        self._has_warned = False  # of the library that is missing

    def run_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """The calls' tasks are those of `loop`, whose thread this is."""
        self._eager = EagerTasks(loop)

    def begin(self, conn: Connection, request: AsgiRequest) -> None:
        """Call the application: a request has been read. The caller owned the connection. Raises Refusal, and then the
        caller owns it still."""
        state = self._state
        limit = state.limit_concurrency
        if limit and (len(state.live) >= limit or len(self.running) >= limit):
            self._turn_away(conn)
            return
        if request.upgrade and self._begin_upgrade(conn, request):
            return
        call = HttpCall(self._context, conn, request)
        if request.length:
            data, conn.data = conn.data, b""
            call.expect_body(data)
        state.counters.requests += 1
        self.busy[conn.fd] = call
        self.running.add(call)
        if self.at_once:
            self._make_task(call, self._eager.create)
            self._context.run_first_step(self._eager.begin)
            if state.draining:  # or it is a child that the application has forked there, and that waits
                state.end_child()
        else:
            self._make_task(call, state.loop.create_task)
            self.has_begun = True

    def _make_task(self, call: RunningCall, make: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        """Have it run. Raises RuntimeError if the application's task factory fails: then it does not run, and its
        connection is the caller's to close."""
        work = call.run()
        try:
            task = make(work)
        except BaseException as error:  # SystemExit too must cost this request only
            work.close()
            self.running.discard(call)
            self._state.counters.unanswered += 1
            raise RuntimeError("the application's task factory has failed") from error
        if call in self.running:  # a factory's task may have come to its end already
            call.task = task

    def _begin_upgrade(self, conn: Connection, request: AsgiRequest) -> bool:
        """The same for a websocket. False if it is none, or the library for it is missing: then it is a plain request,
        as with uvicorn."""
        if request.scope["type"] != "websocket":
            if not HAS_WEBSOCKETS and not self._has_warned:
                self._has_warned = True
                self._state.log.warning(
                    "%s %s asks for an upgrade, and is served as a plain request: for websockets, the library of that "
                    "name has to be installed (pip install hotswap[websockets])",
                    request.method,
                    request.uri,
                )
            return False
        # Here, and not above: a server without websockets does not wait for the import of the library.
        from hotswap.engine.asgi.websocket_call import WebsocketCall

        call = WebsocketCall(self._context, conn, request)
        self._state.counters.requests += 1
        self.busy[conn.fd] = call
        if call.begin():
            self.running.add(call)
            self._make_task(call, self._state.loop.create_task)
        return True

    def expect_end(self) -> None:
        """Behind the first steps of the tasks that have begun, a round ends for their answers."""
        self.has_begun = False
        self._context.expect_end()

    def _turn_away(self, conn: Connection) -> None:
        self._state.log.warning("Exceeded concurrency limit.")
        self._state.counters.answered(503)
        conn.data = b""
        conn.work = error_answer(503, "")
        self._context.writer.flush(conn)

    def ask(self, now: float) -> float:
        """The clock's question: end what is over its deadline. Returns when to ask again."""
        return min([wire.expire(now) for wire in list(self.busy.values())], default=NEVER)

    def cancel_all(self) -> None:
        """Cancel every call that has not returned."""
        self._context.cut = True
        for call in list(self.running):
            if call.task is not None:
                call.task.cancel("cut by force")

    def in_flight(self) -> list[InFlight]:
        """The requests whose calls have not returned, or whose answers the client has not taken. Any thread."""
        found = {call.request: call.conn for call in list(self.running)}
        for conn in list(self._state.live):
            if conn.request is not None:
                found[conn.request] = conn
        return [InFlight(one.method, one.uri, one.started, conn.peer) for one, conn in found.items()]
