"""What an application sends, on its way to the client: the head with the first of the body, and the rest."""

from __future__ import annotations

import asyncio
import os
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from hotswap.engine.asgi.answer_head import AnswerHead, field_lines
from hotswap.engine.asgi.answer_phase import BODY, COMPLETE, HEAD, TRAILERS, WAITING
from hotswap.engine.asgi.client_wire import HIGH_WATER, ClientWire
from hotswap.engine.asgi.file_sender import send_file

if TYPE_CHECKING:
    from hotswap.engine.asgi.asgi_request import AsgiRequest

Message = MutableMapping[str, Any]

_JOIN = 1 << 16  # bytes: up to here head and body are joined into one string, above they are sent without copying


class AnswerSender(ClientWire):
    """The `send` of one request. Errors are RuntimeErrors in uvicorn's words, raised in the application's call.

    An answer whose head is not sent yet when the application fails becomes a 500.
    """

    request: AsgiRequest
    head: AnswerHead
    phase = WAITING
    fields: Any = ()  # the answer's, as the application gave them
    sent = 0  # bytes of the body
    _held: list[bytes] | None = None  # what goes when the loop's round ends; None: what comes first goes at once
    _held_size = 0  # bytes in it
    _waits = False  # for the end of the round
    has_trailers = False  # the application wants to send some

    def settles(self) -> bool:
        """Whether the connection can go on behind the answer: what is left of the request's body is here, or little."""
        raise NotImplementedError

    def complete(self, *, keep: bool) -> None:
        """All is written, or buffered."""
        raise NotImplementedError

    async def send(self, message: Message) -> None:
        """ASGI's `send`. Waits while more than HIGH_WATER is buffered; of a client that has gone it says nothing."""
        if self._buffered > HIGH_WATER:
            await self.until_drained()
        kind, phase = message["type"], self.phase
        if self.gone and phase != COMPLETE:
            await asyncio.sleep(0)  # or an endless answer to a client that has gone would block the loop
        elif kind == "http.response.start" and phase == WAITING:
            self.head = head = AnswerHead(self.request, self._context.lines)
            self.fields = fields = message.get("headers", ())
            head.take(message["status"], fields)
            self.phase = HEAD
            if message.get("trailers"):
                self.has_trailers = True
            self._wait_for_round()
        elif kind == "http.response.body" and HEAD <= phase <= BODY:
            data = message.get("body", b"")
            if data.__class__ is not bytes:
                data = _bytes_of(data)
            if phase == HEAD and not message.get("more_body") and not self.has_trailers:
                self._send_whole(data)
            else:
                self._send_piece(data, more=message.get("more_body", False))
        else:
            await self._send_more(kind, message)

    async def _send_more(self, kind: str, message: Message) -> None:
        """Messages of extensions; and those that come at the wrong time."""
        phase = self.phase
        if kind == "http.response.early_hint" and phase == WAITING:
            self._send_hints(message.get("links", ()))
        elif kind == "http.response.pathsend" and phase == HEAD:
            await self._send_file(message["path"])
        elif kind == "http.response.trailers" and phase == TRAILERS:
            self._send_trailers(message)
        elif kind == "http.response.trailers" and phase == COMPLETE and self.has_trailers and not self.head.chunked:
            pass  # there is no place for them
        elif phase == COMPLETE:
            raise RuntimeError(f"Unexpected ASGI message '{kind}' sent, after response already completed.")
        else:
            wanted = ("start", "body", "body", "trailers")[phase]
            raise RuntimeError(f"Expected ASGI message 'http.response.{wanted}', but got '{kind}'.")

    def _wait_for_round(self) -> None:
        if not self._waits:
            self._waits = True
            self._context.expect(self)

    def waits(self) -> bool:
        """Whether something is to be sent when the round ends; if not, it need not be told of it."""
        self._waits = self.phase == HEAD or self._held is not None
        return self._waits

    def end_round(self) -> None:
        """The loop's round is over: send the head alone, if nothing of the body has followed, and what is held."""
        self._waits = False
        if self.phase == HEAD and not self.gone:
            self.phase = BODY
            self.write(self._make_head(None))
        self.release()
        self._held = None

    def release(self) -> None:
        """Send what is held."""
        held, self._held_size = self._held, 0
        if held:
            data = b"".join(held)
            held.clear()
            self.write(data)

    def _put(self, data: bytes, *, last: bool) -> None:
        """Send a piece of the body at once; but those that follow in the same round of the loop go together, so that
        many small ones do not cost a system call each."""
        held = self._held
        if held is None:
            self.write(data)
            if not (last or self.gone):
                self._held = []
                self._wait_for_round()
            return
        held.append(data)
        self._held_size += len(data)
        if last or self._held_size > _JOIN:
            self.release()

    def part(self) -> None:
        """See `ClientWire`."""
        self._held = None
        super().part()

    def close(self) -> None:
        """See `ClientWire`: what is held is written before."""
        self.release()
        super().close()

    def _make_head(self, whole: int | None) -> bytes:
        """The head's bytes; `whole` is the body's length if all of it is known."""
        head, conn, state = self.head, self.conn, self._context.state
        if head.keep and not (
            state.keepalive
            # The answer that closes is the last one: requests that were read already are answered before.
            and not ((conn.closing or state.draining) and not conn.data)
            and self.settles()
        ):
            head.keep = False
        return head.make(whole)

    def _send_whole(self, body: bytes) -> None:
        """Head and body at once: most answers."""
        head = self.head
        size = len(body)
        if head.length is not None and head.length != size and not head.omit:
            self._check_length(size, more=False)
        data = self._make_head(size)
        self.phase = BODY
        if head.omit:
            self.write(data)
        else:
            self.sent = size
            if size <= _JOIN:
                self.write(data + body)
            else:
                self.write_parts(data, body)
        self.complete(keep=head.keep)

    def _send_piece(self, body: bytes, *, more: bool) -> None:
        head = self.head
        if head.length is not None and not head.omit:
            self._check_length(len(body), more=more)
        first = b""
        if self.phase == HEAD:
            first = self._make_head(None)
            self.phase = BODY
        if head.omit:
            body = b""
        self.sent += len(body)
        if head.chunked:
            self._write_chunk(first, body, last=not more and not self.has_trailers)
        elif len(body) <= _JOIN:
            self._put(first + body, last=not more)
        else:
            self.release()
            self.write_parts(first, body)
        if not more:
            if self.has_trailers and head.chunked:
                self.phase = TRAILERS
            else:
                self.complete(keep=head.keep)

    def _check_length(self, size: int, *, more: bool) -> None:
        """Before anything of it is sent: the client would wait for what does not come, or misread what comes."""
        length = self.head.length
        assert length is not None
        if self.sent + size > length:
            raise RuntimeError("Response content longer than Content-Length")
        if not more and self.sent + size < length:
            raise RuntimeError("Response content shorter than Content-Length")

    def _write_chunk(self, first: bytes, body: bytes, *, last: bool) -> None:
        end = b"\r\n0\r\n\r\n" if last else b"\r\n"
        if not body:
            self._put(first + end[2:], last=last)
        elif len(body) <= _JOIN:
            self._put(b"%b%x\r\n%b%b" % (first, len(body), body, end), last=last)
        else:
            self.release()
            self.write_parts(b"%b%x\r\n" % (first, len(body)), body, end)

    # extensions

    def _send_hints(self, links: Any) -> None:
        """103 (RFC 8297): nothing happens for HTTP/1.0."""
        if self.request.http11:
            self.write(b"HTTP/1.1 103 Early Hints\r\n%b\r\n" % field_lines([(b"link", link) for link in links]))

    def _send_trailers(self, message: Message) -> None:
        self._trailers += field_lines(message.get("headers", ()))
        if not message.get("more_trailers", False):
            self.release()
            self.write(b"0\r\n%b\r\n" % self._trailers)
            self.complete(keep=self.head.keep)

    _trailers = b""

    async def _send_file(self, path: Any) -> None:
        """The whole body is a file's content. Raises OSError if it cannot be read: then nothing was sent."""
        head = self.head
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if head.length is None:
                head.length = size
            elif not head.omit:
                self._check_length(size, more=False)
            self.phase = BODY
            self.write(self._make_head(size))
            if not head.omit:
                plain = self._context.state.sendfile and self._out is None and not head.chunked
                self.sent = await send_file(self, file.fileno(), size, sendfile=plain)
        if self.sent < size and not head.omit:
            raise RuntimeError("Response content shorter than Content-Length")
        if not self.gone:
            self.complete(keep=head.keep)


def _bytes_of(data: Any) -> bytes:
    """A piece of a body that is no bytes. Raises TypeError; bytes(3) would be three of them."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"a response body must be bytes, not {data!r:.200}")
