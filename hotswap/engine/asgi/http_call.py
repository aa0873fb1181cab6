"""One HTTP request and the application's call for it: what it receives, and how it ends.

What the application sees is what uvicorn shows it, because that is what applications were tested with
(uvicorn/protocols/http/httptools_impl.py, RequestResponseCycle). Deviations stand where they are made.
"""

from __future__ import annotations

import asyncio
import os
from time import monotonic
from typing import TYPE_CHECKING, Any

from hotswap.engine.asgi.answer_head import AnswerHead
from hotswap.engine.asgi.answer_phase import BODY, COMPLETE, WAITING
from hotswap.engine.asgi.answer_sender import AnswerSender, Message
from hotswap.engine.asgi.client_wire import HIGH_WATER, MUCH, NEVER
from hotswap.engine.asgi.request_body import RequestBody
from hotswap.engine.connections.answer_writer import PendingAnswer
from hotswap.engine.connections.poller import RECV
from hotswap.engine.forked_child import end_forked_child, end_returned_child
from hotswap.engine.http1.error_page import Refusal, page

if TYPE_CHECKING:
    from hotswap.engine.asgi.asgi_request import AsgiRequest
    from hotswap.engine.asgi.call_context import CallContext
    from hotswap.engine.connections.connection import Connection

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HttpCall(AnswerSender):
    """One request, from its head to the end of the application's call. Its connection is its own until `gone`."""

    task: asyncio.Task[None] | None = None
    body: RequestBody | None = None  # None where there is none
    received = False  # the application has all of the body
    disconnected = False  # the client sends no more
    _expects = False  # the client waits for "100 Continue"
    _arrived: asyncio.Event | None = None  # made when somebody has to wait
    is_logged = False
    view: Any = None  # what request hooks get of it, where there are hooks
    _body_by = NEVER  # when the client must have sent something

    def __init__(self, context: CallContext, conn: Connection, request: AsgiRequest) -> None:
        # Not super().__init__: it is called for every request.
        self._context = context
        self.conn = conn
        self.request = request

    def expect_body(self, data: bytes) -> None:
        """A body follows, of which `data` is the beginning, and perhaps more than that. Raises Refusal."""
        request = self.request
        self.body = body = RequestBody(request.length, self._context.limits, self._context.state.options)
        rest = body.feed(data)
        if rest is not None:
            self.conn.data = rest
        else:
            self._expects = request.expect and not data
            if not 0 <= body.left <= RECV:
                self.wanted = MUCH

    # the application's call

    async def run(self) -> None:
        """What is its task. Raises nothing."""
        context = self._context
        self.end_child()  # one that another call has forked, before this one's turn came
        try:
            if context.before is not None:
                context.before(self)
            result: Any = await self.conn.site.app(self.request.scope, self.receive, self.send)
        except BaseException as error:  # noqa: BLE001  the application's: SystemExit too must end one request only
            self._failed(error)
        else:
            if os.getpid() != context.state.pid:
                end_returned_child(context.state.log)
            if result is not None or self.phase != COMPLETE:
                self._returned(result)
        if context.answered is not None and not self.is_logged:
            context.answered(self)
        if context.after is not None:
            context.after(self)
        context.end(self)

    async def receive(self) -> Message:
        """ASGI's `receive`.

        uvicorn says http.disconnect as soon as the client has closed its side. Here it comes behind a body that is
        complete: a client that closes its side behind its request wants an answer.
        """
        body = self.body
        if self._expects:
            self._expects = False
            if self.phase == WAITING:
                self.write(_CONTINUE)
        while self.received or not (body is None or body.complete or (body.size and not self.disconnected)):
            if self.disconnected or self.gone:
                return {"type": "http.disconnect"}
            await self._arrival()
        if self.gone:
            return {"type": "http.disconnect"}
        content = b"" if body is None else body.take()
        self.received = body is None or body.complete
        return {"type": "http.request", "body": content, "more_body": not self.received}

    async def _arrival(self) -> None:
        """Wait until something has come, or the answer is complete, or the client has gone."""
        if self.body is not None and not self.body.complete:
            self.resume_reading()
            self._wait_for_body()
        if self._arrived is None:
            self._arrived = asyncio.Event()
        self._arrived.clear()
        try:
            await self._arrived.wait()
        finally:
            self._body_by = NEVER

    def _wait_for_body(self) -> None:
        state = self._context.state
        self._body_by = monotonic() + state.limits.body_timeout
        if self._body_by < state.next_tick:
            state.tick_at(self._body_by)

    # what the loop sees

    def _read(self) -> None:
        """As in `ClientWire`, but what comes behind the request may not fill the memory."""
        if len(self.conn.data) >= RECV:
            self.pause_reading()
        else:
            super()._read()

    def data_received(self, data: bytes) -> None:
        """More of the body, or of the next request."""
        body, conn = self.body, self.conn
        if body is None or body.complete:
            conn.data += data
            return
        try:
            rest = body.feed(data)
        except Refusal as refusal:
            self._refuse(refusal)
            return
        if rest is not None:
            conn.data, self.wanted = rest, RECV
        elif body.size > HIGH_WATER:
            self.pause_reading()
        if self._arrived is not None:
            self._arrived.set()

    def eof_received(self) -> None:
        """The client has closed its side. What the application sends is sent all the same, until that fails.

        What it had sent before is served; TLS tells the end once only, so it is remembered.
        """
        self.disconnected = self.conn.closing = True
        if self._arrived is not None:
            self._arrived.set()

    def connection_lost(self) -> None:
        """The client has gone."""
        self._body_by = NEVER
        self.eof_received()

    def expire(self, now: float) -> float:
        """See `ClientWire`; and the application has waited too long for more of the body."""
        if self._body_by <= now:
            self._body_by = NEVER
            self._refuse(Refusal(408, "the request's body stopped coming"))
            return NEVER
        return min(self._body_by, super().expire(now))

    def _refuse(self, refusal: Refusal) -> None:
        """The client is at fault: it is told, if the answer has not begun; the application is told that it has gone."""
        conn, has_begun = self.conn, self.phase >= BODY
        if has_begun:
            self._context.state.note_refusal(conn, refusal)
            self.lose()
            return
        self.part()
        self.connection_lost()
        self._context.writer.refuse(conn, refusal)

    # the end of the answer

    def settles(self) -> bool:
        """See `AnswerSender`."""
        body = self.body
        if body is None or body.complete:
            return True
        return not (self._expects or self.disconnected) and 0 <= body.left <= self._context.limits.unread_body

    def complete(self, *, keep: bool) -> None:
        """All is written, or buffered: the connection goes on without the application, which may do so too."""
        if self.gone:  # the client went while the last of it was written
            return
        context, conn, out = self._context, self.conn, self._out
        self.phase = COMPLETE
        if self.head.code < 300:
            context.state.counters.succeeded += 1  # here, and not by a call: most answers are
        else:
            context.state.counters.answered(self.head.code)
        if context.answered is not None:
            self.is_logged = True
            context.answered(self)
        body = self.body
        keep = keep and not (self.disconnected and not conn.data)
        if out is None and self._writable is None:
            self.gone = True  # as part() does
            self.leave_busy()
        else:
            self.part()
        if self._arrived is not None:
            self._arrived.set()
        if out is not None:
            conn.work = PendingAnswer(keep and (body is None or body.complete), *out)
            context.writer.flush(conn)
        elif not keep:
            context.table.half_close(conn)
        elif body is None or body.complete:
            context.idle.keep(conn, monotonic())
        else:
            context.unread.discard(conn, body)

    # its failures

    def _failed(self, error: BaseException) -> None:
        """The application raised."""
        context = self._context
        if os.getpid() != context.state.pid:
            end_forked_child(error, context.state.log)
        if not (context.cut and isinstance(error, asyncio.CancelledError)):
            context.state.log.exception("Error handling request %s %s", self.request.method, self.request.uri)
        self._end_early()

    def _returned(self, result: object) -> None:
        """The application returned what it should not, or too early. In uvicorn's words."""
        fault = ""
        if result is not None:
            fault = f"ASGI callable should return None, but returned '{result!r:.200}'."
        elif not self.disconnected:
            fault = f"ASGI callable returned without {('starting', 'completing')[self.phase > WAITING]} response."
        if fault:
            self._context.state.log.error("%s (%s %s)", fault, self.request.method, self.request.uri)
        self._end_early()

    def _end_early(self) -> None:
        """The answer will not be complete."""
        if self.gone:
            if self.phase != COMPLETE:
                self._context.state.counters.unanswered += 1
        elif self.phase >= BODY or self.disconnected:
            # Nothing but the early end of it can tell the client that this answer is not whole.
            self._context.state.counters.unanswered += 1
            self.close()
        else:
            self._answer_500()

    def _answer_500(self) -> None:
        keep = self.request.keep_alive and not (self.conn.closing or self._context.state.draining) and self.settles()
        self.head = AnswerHead(self.request, self._context.lines)
        self.head.code = 500
        self.write(page(500, close=not keep, omit_body=self.request.method == "HEAD"))
        if self.gone:
            self._context.state.counters.unanswered += 1
        else:
            self.complete(keep=keep)
