"""What every request's call works with: the connections' table, who gets a connection back, and the calls that run."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING, Any, Protocol

from hotswap.engine.asgi.answer_phase import HEAD
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

    async def run(self) -> None: ...


class HeadHolder(Protocol):
    """One whose answer's head may have to be sent alone."""

    phase: int  # see `answer_phase`

    def send_head(self) -> None: ...


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
        self._heads: list[HeadHolder] = []
        self._are_heads_due = False

    def send_soon(self, sender: HeadHolder) -> None:
        """The application has begun its answer: send the head alone if no body follows at once."""
        self._heads.append(sender)
        self.expect_heads()

    def expect_heads(self) -> None:
        """Look soon whether there are such answers. Behind new tasks it costs no round of the loop of its own."""
        if not self._are_heads_due:
            self._are_heads_due = True
            self.state.soon(self._send_heads)

    def run_first_step(self, step: Callable[[], None]) -> None:
        """Run the first step of a call outside of the loop's rounds; look for heads again if it has left one."""
        self._are_heads_due = True
        try:
            step()
        finally:
            self._are_heads_due = False
            self._heads = [sender for sender in self._heads if sender.phase == HEAD]
            if self._heads:
                self.expect_heads()

    def _send_heads(self) -> None:
        heads, self._heads, self._are_heads_due = self._heads, [], False
        for sender in heads:
            sender.send_head()

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
