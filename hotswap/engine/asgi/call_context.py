"""What every request's call works with: the connections' table, who gets a connection back, and the calls that run."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from time import time
from typing import TYPE_CHECKING, Any, Protocol

from hotswap.engine.asgi.websocket_closings import WebsocketClosings

if TYPE_CHECKING:
    import asyncio

    from hotswap.engine.asgi.answer_head import ServerLines
    from hotswap.engine.asgi.asgi_request import AsgiRequest
    from hotswap.engine.asgi.loop_state import LoopState
    from hotswap.engine.asgi.unread_body import UnreadBodies
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.connections.parts import ConnectionParts


class Wire(Protocol):
    """A connection in the hands of a request; see `ClientWire`."""

    conn: Connection

    def on_event(self) -> None: ...
    def expire(self, now: float) -> float: ...
    def part(self) -> None: ...
    def connection_lost(self) -> None: ...


class RunningCall(Protocol):
    """An application's call for a request. It is in `CallContext.running` as long as it has not returned."""

    conn: Connection
    request: AsgiRequest
    task: asyncio.Task[None] | None

    def run(self) -> Coroutine[Any, Any, None]: ...


class RoundWaiter(Protocol):
    """One that holds something back until the loop's round ends: an answer's head, or pieces of its body."""

    def waits(self) -> bool: ...
    def end_round(self) -> None: ...


Record = Callable[[Any], None]


class CallContext:
    """One for an engine. On the loop's thread, but `running` may be looked at by any.

    Of `before`, `answered` and `after`, which are called with an `HttpCall`, those are None for which nothing is to be
    done: most servers have none.
    """

    def __init__(
        self,
        state: LoopState,
        parts: ConnectionParts,
        unread: UnreadBodies,
        lines: ServerLines,
        before: Record | None,
        answered: Record | None,
        after: Record | None,
    ) -> None:
        self.state = state
        self.limits = state.limits
        self.table, self.idle, self.writer = parts.table, parts.idle, parts.writer
        self.unread = unread
        self.lines = lines
        self.closings = WebsocketClosings(state, state.options.asgi.websocket_drain_s)
        self.before, self.answered, self.after = before, answered, after
        #: By descriptor: the connections that requests have, polled all the same.
        self.busy: dict[int, Wire] = {}
        #: Every application call that has not returned; those whose answer is complete have no connection any more.
        self.running: set[RunningCall] = set()
        self.cut = False  # calls are cancelled
        self._waiters: list[RoundWaiter] = []
        self._is_end_due = False

    def expect(self, waiter: RoundWaiter) -> None:
        """Tell it when the loop's round ends."""
        self._waiters.append(waiter)
        self.expect_end()

    def expect_end(self) -> None:
        """Look soon whether somebody waits. Behind new tasks it costs no round of the loop of its own."""
        if not self._is_end_due:
            self._is_end_due = True
            self.state.soon(self._end_round)

    def run_first_step(self, step: Callable[[], None]) -> None:
        """Run the first step of a call outside of the loop's rounds; ask for the end of one if it left something."""
        self._is_end_due = True
        try:
            step()
        finally:
            self._is_end_due = False
            self._waiters = [waiter for waiter in self._waiters if waiter.waits()]
            if self._waiters:
                self.expect_end()

    def _end_round(self) -> None:
        waiters, self._waiters, self._is_end_due = self._waiters, [], False
        for waiter in waiters:
            waiter.end_round()

    def server_lines(self) -> bytes:
        """The lines that the server adds to an answer, each with CRLF in front."""
        self.lines.renew(time())
        return self.lines.both

    def end(self, call: RunningCall) -> None:
        """The application's call has returned."""
        call.task = None
        self.running.discard(call)
        state = self.state
        if state.leaving or not (self.running or state.live):
            state.changed()
