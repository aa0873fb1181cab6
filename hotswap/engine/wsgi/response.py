"""One answer: what the application says through PEP 3333, and its body on the way to the client."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from hotswap.engine.connections.answer_writer import PendingAnswer
from hotswap.engine.http1.response_head import ResponseHead, check_value, learn_name
from hotswap.engine.transport.blocking_io import Disconnected, send_all

if TYPE_CHECKING:
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.connections.state import EngineState
    from hotswap.engine.transport.blocking_io import Stream
    from hotswap.engine.wsgi.wsgi_request import WsgiRequest

_JOIN = 1 << 16  # bytes: up to here head and body are joined into one string, above they are sent without copying


class FileWrapper:
    """`wsgi.file_wrapper` (PEP 3333): sent with sendfile(2) where the file has a descriptor."""

    def __init__(self, filelike: Any, blksize: int = 1 << 16) -> None:
        self.filelike = filelike
        self.blksize = blksize
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> FileWrapper:
        return self

    def __next__(self) -> bytes:
        data = self.filelike.read(self.blksize)
        if not data:
            raise StopIteration
        assert isinstance(data, bytes)
        return data


class Response(ResponseHead):
    """The server's side of `start_response`, `write` and the iterable. One request, one thread.

    `waiting(conn)` is called before the thread waits for its client.
    """

    __slots__ = ("_conn", "_state", "_waiting", "answer", "done", "sent", "stream")

    def __init__(
        self, state: EngineState, conn: Connection, request: WsgiRequest, waiting: Callable[[Connection], object]
    ) -> None:
        ResponseHead.__init__(self, request, request.keep_alive and state.keepalive)
        self._state = state
        self._conn = conn
        self._waiting = waiting
        self.done = False  # all of it is sent or in `answer`
        self.sent = 0  # bytes of the body
        self.answer: PendingAnswer | None = None  # what the client has not taken, for the loop to send
        self.stream: Stream | None = None  # the request's body, if this thread reads it

    # what the application calls

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """PEP 3333. Whatever is wrong with status or headers is raised here, in the application's own call.

        TypeError and ValueError, which name the header; AssertionError for a second call without `exc_info`.
        """
        if exc_info:
            try:
                if self.headers_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # no circle of frames and tracebacks
        elif self.status is not None:
            raise AssertionError("start_response was called twice without exc_info")
        self.take(status, headers)
        return self.write

    def write(self, data: bytes) -> None:
        """A block of the body: from the iterable, or through PEP 3333's `write`."""
        if data.__class__ is not bytes and not isinstance(data, bytes):
            raise TypeError(f"a WSGI body is made of bytes, not {data.__class__.__name__}")
        if not data:
            return
        if self._state.draining:
            self._state.end_child()
        head = b"" if self.headers_sent else self._head(None)
        if self.omit:
            if head:
                self._push(head)
            return
        if self.length is not None and self.sent + len(data) > self.length:
            data = data[: self.length - self.sent]
            if not data and not head:
                return
        self.sent += len(data)
        if self.chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        # Nothing can follow a body whose announced length is reached: what the client does not take now, the loop
        # sends.
        self._push(head + data, last=self.sent == self.length)

    def early_hints(self, headers: Iterable[tuple[str | bytes, str | bytes]]) -> None:
        """`wsgi.early_hints`: a 103 (RFC 8297) before the answer; nothing happens for HTTP/1.0 or after its head."""
        if self.headers_sent or not self._request.http11:
            return
        lines = ["HTTP/1.1 103 Early Hints\r\n"]
        for header in headers:
            name, value = (part.decode("latin-1") if isinstance(part, bytes) else part for part in header)
            learn_name(name)
            lines.append(f"{name}: {check_value(name, value)}\r\n")
        self._push("".join([*lines, "\r\n"]).encode("latin-1"))

    # what loggers and hooks read, by gunicorn's names

    @property
    def status_code(self) -> int:
        return self.code

    @property
    def response_length(self) -> int | None:
        return self.length

    # what the engine calls

    def take_over(
        self, status: str, headers: Any, line: str, code: int, text: str, length: int | None, head: int, done: int,
        sent: int,
    ) -> None:  # fmt: skip
        """Go on from what `plain_turn` has taken of the application, and sent."""
        self.status, self.headers, self._line, self.code, self._text = status, headers, line, code, text
        self.length, self.headers_sent, self.done, self.sent = length, bool(head), bool(done), sent
        self.omit = self.omits(code)

    def push_rest(self, rest: bytes) -> None:
        """Send the end of an answer whose every byte is made. Raises Disconnected."""
        self._push(rest, last=True)

    def send(self, result: Iterable[bytes], *, begun: bool = False) -> None:
        """Send all that the application returned. Raises Disconnected, and what the iterable raises.

        `begun`: its first block has been sent, and `result` is what still comes, if anything can.
        """
        if not begun and isinstance(result, (list, tuple)) and not self.headers_sent:
            self._send_whole(result[0] if len(result) == 1 else b"".join(result))
        elif begun or not (isinstance(result, FileWrapper) and self._send_file(result)):
            for data in result:
                self.write(data)
            self._end()
        self.done = True

    def release(self) -> None:
        """The request is over. environ has `early_hints` in it: a circle, which only a collection would free.

        Nor is the connection this answer's any more: a `write` that was kept would speak in the middle of others.
        """
        del self._request, self._conn

    def _head(self, whole: int | None) -> bytes:
        """The head's bytes; `whole` is the body's length if all of it is known. Raises Disconnected, AssertionError."""
        if self.status is None:
            raise AssertionError("the application did not call start_response")
        conn, state = self._conn, self._state
        if conn.client_socket is not None and conn.client_socket.taken:
            raise Disconnected("the application has spoken with its client by itself")
        if self.stream is not None and not self.stream.settle(state.limits.unread_body):
            self.keep = False
        if conn.closing or state.draining:
            state.end_child()
            # The answer that closes is the last one: requests that were read already are answered before.
            if not conn.data:
                self.keep = False
        return self.make(whole)

    def _send_whole(self, body: bytes) -> None:
        """An answer that is complete in memory: one send, and what the client does not take is the loop's."""
        if not isinstance(body, bytes):
            raise TypeError(f"a WSGI body is made of bytes, not {body.__class__.__name__}")
        head = self._head(len(body))
        if self.omit:
            self._push(head, last=True)
            return
        if len(body) != self.length:
            body = body[: self.length]
        self.sent = len(body)
        if len(body) <= _JOIN:
            self._push(head + body, last=True)
        else:
            self._push_two(head, body)
        if self.sent != self.length:
            self._check_length()

    def _push(self, data: bytes, *, last: bool = False) -> None:
        """Send now what the client takes; wait for the rest, or leave it to the loop if it is the `last`."""
        sock, io = self._conn.sock, self._state.gil_held_io
        try:
            sent = sock.send(data) if io is None else io.send(sock, data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise Disconnected(str(error)) from error
        if sent == len(data):
            return
        rest = memoryview(data)[sent:]
        if last:
            self.answer = PendingAnswer(self.keep, rest)
        else:
            send_all(sock, rest, self._state.limits.write_timeout, lambda: self._waiting(self._conn))

    def _push_two(self, head: bytes, body: bytes) -> None:
        try:
            sent = self._conn.sock.sendmsg((head, body))
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise Disconnected(str(error)) from error
        if sent < len(head):
            self.answer = PendingAnswer(self.keep, memoryview(head)[sent:], memoryview(body))
        elif sent < len(head) + len(body):
            self.answer = PendingAnswer(self.keep, memoryview(body)[sent - len(head) :])

    def _end(self) -> None:
        """The iterable is exhausted."""
        if not self.headers_sent:
            self._push(self._head(0), last=True)
        elif self.chunked:
            self._push(b"0\r\n\r\n", last=True)
        self._check_length()

    def _check_length(self) -> None:
        if self.length is not None and self.sent < self.length and not self.omit:
            # The client waits for bytes that will not come; only closing tells it so.
            self.keep = False
            if self.answer is not None:
                self.answer.keep = False
            self._state.log.error(
                "%s %s: the application announced %d bytes and sent %d: the connection is closed",
                self._request.method, self._request.uri, self.length, self.sent,
            )  # fmt: skip

    # sendfile

    def _send_file(self, wrapper: FileWrapper) -> bool:
        """Send a file by sendfile(2). False if it has no descriptor to do that with."""
        if not self._state.sendfile or self.headers_sent:
            return False
        try:
            fd = wrapper.filelike.fileno()
            offset = os.lseek(fd, 0, os.SEEK_CUR)
            size = max(0, os.fstat(fd).st_size - offset)
        except (AttributeError, OSError):  # io.UnsupportedOperation is an OSError; a pipe cannot seek
            return False
        self._push(self._head(size))
        if not self.omit:
            self._copy(fd, offset, size if self.length is None else min(size, self.length))
        self._check_length()
        return True

    def _copy(self, fd: int, offset: int, count: int) -> None:
        """Send `count` bytes of a file, or as many as it still has. Raises Disconnected, and OSError of the file."""
        sock, timeout = self._conn.sock, self._state.limits.write_timeout
        end = offset + count
        while offset < end:
            try:
                sent = os.sendfile(sock.fileno(), fd, offset, end - offset)
            except BlockingIOError:
                # sendfile(2) does not wait. send_all does, with the piece that is next; the lead is given away first.
                self._waiting(self._conn)
                data = os.pread(fd, min(_JOIN, end - offset), offset)
                send_all(sock, data, timeout)
                sent = len(data)
            except OSError as error:
                raise Disconnected(str(error)) from error
            if not sent:
                break  # the file has become shorter
            offset += sent
            self.sent += sent
