"""One websocket and the application's call for it.

What the application sees is what uvicorn shows it (uvicorn/protocols/websockets/websockets_sansio_impl.py). But:

* `receive` says websocket.disconnect again if it is asked again, where uvicorn's never returns.
* An application that returns without closing closes with 1000, one that fails with 1011; uvicorn cuts the connection.
* A connection that ends without a close frame is disconnected with 1006 (RFC 6455, section 7.1.5), also an open one.
* While the application does not receive, no ping is held against the client: its answer may lie unread.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

from hotswap.engine.asgi.answer_head import AnswerHead, field_lines
from hotswap.engine.asgi.client_wire import HIGH_WATER, LOW_WATER, NEVER, ClientGone, ClientWire
from hotswap.engine.asgi.websocket_frames import ABNORMAL, INTERNAL_ERROR, WebsocketFrames
from hotswap.engine.connections.poller import RECV
from hotswap.engine.forked_child import end_forked_child, end_returned_child

if TYPE_CHECKING:
    from hotswap.engine.asgi.answer_sender import Message
    from hotswap.engine.asgi.asgi_request import AsgiRequest
    from hotswap.engine.asgi.call_context import CallContext
    from hotswap.engine.connections.connection import Connection

#: How far it is: not answered; answered by an HTTP answer whose body is awaited; open; closed by us, or never opened.
CONNECTING, DENYING, OPEN, CLOSED = range(4)
#: How long the client may take for its half of the closing handshake (seconds), as with uvicorn.
CLOSE_TIMEOUT = 10.0
_MANY = 32  # messages that may wait for `receive` before reading pauses
_SWITCHING = b"HTTP/1.1 101 Switching Protocols"
_TEXT = [(b"content-type", b"text/plain; charset=utf-8")]


class WebsocketCall(ClientWire):
    """One websocket, from its handshake to the end of the application's call. On the loop's thread.

    The connection is its own until `gone`, which may be later than the call's end: the client answers the close frame.
    """

    task: asyncio.Task[None] | None = None
    view: Any = None  # what request hooks get of it, where there are hooks
    fields: Any = ()  # of the answer, for hooks and the access log
    sent = 0  # bytes of messages

    def __init__(self, context: CallContext, conn: Connection, request: AsgiRequest) -> None:
        super().__init__(context, conn)
        self.request = request
        self.head = AnswerHead(request, context.lines)
        self._options = options = context.state.options.asgi
        self._frames = WebsocketFrames(
            request.scope["headers"], max_size=options.ws_max_size, deflate=options.ws_per_message_deflate
        )
        self._phase = CONNECTING
        self._early, conn.data = conn.data, b""  # what came before the handshake was answered
        self._is_told = False  # of websocket.connect
        self._inbox: deque[str | bytes] = deque()
        self._waiting = 0  # characters and bytes in it
        self._arrived: asyncio.Event | None = None  # made when the application has to wait
        self._body = b""  # of an HTTP answer in the handshake's place
        self._ended: tuple[int, str] | None = None  # with which websocket.disconnect comes
        self._ping_at = self._pong_by = self._close_by = NEVER

    def begin(self) -> bool:
        """Whether the application is to be called: if this is no handshake, it has been answered."""
        refusal = self._frames.refusal
        if refusal is not None:
            self._answer(*refusal)
        return refusal is None

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
            self._returned(result)
        if context.answered is not None:
            context.answered(self)
        if context.after is not None:
            context.after(self)
        context.end(self)

    async def receive(self) -> Message:
        """ASGI's `receive`: websocket.connect, then messages, then websocket.disconnect."""
        if not self._is_told:
            self._is_told = True
            return {"type": "websocket.connect"}
        while not self._inbox and self._ended is None:
            if self._arrived is None:
                self._arrived = asyncio.Event()
            self._arrived.clear()
            await self._arrived.wait()
        if self._inbox:
            return self._received(self._inbox.popleft())
        assert self._ended is not None
        code, reason = self._ended
        return {"type": "websocket.disconnect", "code": code, "reason": reason}

    def _received(self, message: str | bytes) -> Message:
        self._waiting -= len(message)
        self._read_again()
        if isinstance(message, str):
            return {"type": "websocket.receive", "text": message}
        return {"type": "websocket.receive", "bytes": message}

    async def send(self, message: Message) -> None:
        """ASGI's `send`. Waits while more than HIGH_WATER is buffered. Raises ClientGone, an OSError, if the client has
        gone, and RuntimeError, in uvicorn's words, for what must not come now."""
        if self._buffered > HIGH_WATER:
            await self.until_drained()
        kind, phase = message["type"], self._phase
        if phase == CLOSED:
            raise RuntimeError(f"Unexpected ASGI message '{kind}', after sending 'websocket.close'.")
        if self.gone:
            if kind != "websocket.close":
                raise ClientGone("the client has gone")
        elif phase == OPEN:
            self._send_open(kind, message)
        elif phase == CONNECTING:
            self._reply(kind, message)
        else:
            self._deny(kind, message)

    def _send_open(self, kind: str, message: Message) -> None:
        if kind == "websocket.send":
            data: Any = message.get("bytes")
            data = message.get("text", "") if data is None else data
            if not self._frames.send(data):
                raise ClientGone("the websocket is closed")
            self.sent += len(data)
            self._flush_frames()
        elif kind == "websocket.close":
            self._close(message.get("code") or 1000, message.get("reason") or "")
            self._phase = CLOSED
        else:
            raise RuntimeError(f"Expected ASGI message 'websocket.send' or 'websocket.close', but got '{kind}'.")

    # the answer to the handshake

    def _reply(self, kind: str, message: Message) -> None:
        if kind == "websocket.accept":
            self._accept(message)
        elif kind == "websocket.close":
            self._answer(403, [], b"")
        elif kind == "websocket.http.response.start":
            self.head.take(message["status"], message.get("headers", ()))
            self.fields = message.get("headers", ())
            self._phase = DENYING
        else:
            raise RuntimeError(
                "Expected ASGI message 'websocket.accept', 'websocket.close' or 'websocket.http.response.start' but "
                f"got '{kind}'."
            )

    def _accept(self, message: Message) -> None:
        """Raises TypeError and ValueError, which name the header."""
        fields = [(name, value) for name, value in message.get("headers", ()) if name.lower() != _PROTOCOL]
        subprotocol = message.get("subprotocol")
        if subprotocol:
            fields.append((_PROTOCOL, subprotocol.encode()))
        lines = field_lines(fields)
        self.fields, self.head.code, self._phase = fields, 101, OPEN
        self._context.state.counters.answered(101)
        own = self._frames.accept()
        self.write(_SWITCHING + own + self._context.server_lines() + b"\r\n" + lines + b"\r\n")
        if self.gone:
            return
        self._context.closings.opened(self)
        if self._options.ws_ping_interval_s > 0:
            self._expect_ping()
        early, self._early = self._early, b""
        if early:
            self.data_received(early)
        self.resume_reading()

    def _deny(self, kind: str, message: Message) -> None:
        if kind != "websocket.http.response.body":
            raise RuntimeError(f"Expected ASGI message 'websocket.http.response.body' but got '{kind}'.")
        self._body += message.get("body", b"")
        if not message.get("more_body"):
            self._finish_answer(self._body)

    def _answer(self, code: int, fields: list[tuple[bytes, bytes]], body: bytes) -> None:
        """An HTTP answer in the place of a websocket."""
        self.head = AnswerHead(self.request, self._context.lines)
        self.head.take(code, fields or _TEXT)
        self.fields = fields
        self._finish_answer(body)

    def _finish_answer(self, body: bytes) -> None:
        self.head.keep = False
        self.sent = len(body)
        self.write(self.head.make(len(body)) + (b"" if self.head.omit else body))
        self._context.state.counters.answered(self.head.code)
        self._phase = CLOSED
        self._end(ABNORMAL, "")
        self.close()

    # what the loop sees

    def data_received(self, data: bytes) -> None:
        """Frames; what comes before the handshake is answered waits, and what comes behind our last word is nothing."""
        if self._closes:
            return
        if self._phase < OPEN:
            self._early += data
            if len(self._early) >= RECV:
                self.pause_reading()
            return
        for message in self._frames.feed(data):
            self._inbox.append(message)
            self._waiting += len(message)
        if self._pong_by != NEVER and not self._frames.is_asked:
            self._expect_ping()
        if self._frames.closed is not None:
            self._end(*self._frames.closed)
        self._flush_frames()
        if self._arrived is not None and self._inbox:
            self._arrived.set()
        is_full = (self._waiting > HIGH_WATER or len(self._inbox) >= _MANY) and self._ended is None
        if is_full or self._buffered > HIGH_WATER:  # the client takes no answers to its pings
            self.pause_reading()

    def _read_again(self) -> None:
        """There may be room again for what the client sends."""
        has_room = self._waiting <= LOW_WATER and len(self._inbox) < _MANY and self._buffered <= LOW_WATER
        if has_room and not self._reads and not self.gone and self._phase >= OPEN:
            if self._pong_by != NEVER:
                self._pong_by = self._due_in(self._options.ws_ping_timeout_s)  # the answer may lie unread
            self.resume_reading()

    def _has_flushed(self) -> None:
        super()._has_flushed()
        self._read_again()

    def _flush_frames(self) -> None:
        """Send what the protocol has to say; close if that is the last."""
        self.write(self._frames.out())
        if self._frames.ends and not self.gone:
            self._context.closings.closed(self)
            self.close()

    def eof_received(self) -> None:
        """The client has closed its side, without a word or behind its close frame."""
        self.lose()

    def connection_lost(self) -> None:
        """The client has gone."""
        self._end(ABNORMAL, "")

    def part(self) -> None:
        """See `ClientWire`."""
        super().part()
        self._context.closings.closed(self)
        self._ping_at = self._pong_by = self._close_by = NEVER

    def _end(self, code: int, reason: str) -> None:
        """From now on `receive` says that it has ended, behind the messages that have come."""
        if self._ended is None:
            self._ended = code, reason
        if self._arrived is not None:
            self._arrived.set()

    # closing

    def close_soon(self, code: int) -> None:
        """This process leaves: close it, if it is open. The application is told as if the client had closed it."""
        if self._phase == OPEN and not self.gone:
            self._close(code, "")

    def _close(self, code: int, reason: str) -> None:
        """Begin the closing handshake: behind all that was sent, and then the client has CLOSE_TIMEOUT for its half."""
        self._context.closings.closed(self)
        if not self._frames.close(code, reason):
            return
        self._end(code, reason)
        self._ping_at = self._pong_by = NEVER
        self._close_by = self._due_in(CLOSE_TIMEOUT)
        self._flush_frames()
        self.resume_reading()

    # the clock

    def _due_in(self, seconds: float) -> float:
        """The time then, at which the loop looks."""
        state, at = self._context.state, monotonic() + seconds
        if at < state.next_tick:
            state.tick_at(at)
        return at

    def _expect_ping(self) -> None:
        self._pong_by = NEVER
        self._ping_at = self._due_in(self._options.ws_ping_interval_s)

    def expire(self, now: float) -> float:
        """See `ClientWire`; and the client has not answered a ping, or a close frame."""
        if self._close_by <= now:
            self._close_by = NEVER
            self.close()
        elif self._ping_at <= now:
            self._send_ping()
        elif self._pong_by <= now and self._reads:
            self._pong_by = NEVER  # once: what is buffered may wait for longer, and the close frame behind it
            self._context.state.log.debug("%s: keepalive ping timeout", self.conn.peer)
            self._frames.fail(INTERNAL_ERROR, "keepalive ping timeout")
            self._end(INTERNAL_ERROR, "keepalive ping timeout")
            self._flush_frames()
        if self.gone:
            return NEVER
        pong_by = self._pong_by if self._reads else NEVER
        return min(self._ping_at, pong_by, self._close_by, super().expire(now))

    def _send_ping(self) -> None:
        self._ping_at = NEVER
        self._frames.ping()
        self._flush_frames()
        if self.gone:
            return
        if self._frames.is_asked and self._options.ws_ping_timeout_s > 0:
            self._pong_by = self._due_in(self._options.ws_ping_timeout_s)
        else:
            self._expect_ping()

    # the end of the call

    def _failed(self, error: BaseException) -> None:
        """The application raised."""
        context = self._context
        if os.getpid() != context.state.pid:
            end_forked_child(error, context.state.log)
        is_cut = context.cut and isinstance(error, asyncio.CancelledError)
        if not (is_cut or isinstance(error, ClientGone)):
            context.state.log.exception("Error handling websocket %s", self.request.uri)
        self._end_call(INTERNAL_ERROR)

    def _returned(self, result: object) -> None:
        if result is not None:
            fault = f"ASGI callable should return None, but returned '{result!r:.200}'."
            self._context.state.log.error("%s (websocket %s)", fault, self.request.uri)
        if self._phase < OPEN and not self.gone:
            fault = "ASGI callable returned without completing handshake."
            self._context.state.log.error("%s (websocket %s)", fault, self.request.uri)
        self._end_call(1000)

    def _end_call(self, code: int) -> None:
        """Whatever the application has left open ends."""
        if self.gone:
            if self._phase < OPEN:
                self._context.state.counters.unanswered += 1
        elif self._phase < OPEN:
            self._answer(500, _TEXT, b"Internal Server Error")
        elif self._phase == OPEN:
            self._close(code, "")


_PROTOCOL = b"sec-websocket-protocol"
