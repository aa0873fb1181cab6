"""One answer: the head the application asked for, and its body on the way to the client."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from time import time
from typing import TYPE_CHECKING, Any

from hotswap.engine.body import send_all
from hotswap.engine.date import Stamp
from hotswap.engine.headers import (
    CONNECTION,
    DROPPED,
    LENGTH,
    check_value,
    learn_name,
    learn_status,
    names,
    statuses,
)
from hotswap.engine.refusal import Disconnected

if TYPE_CHECKING:
    from hotswap.engine.body import Stream
    from hotswap.engine.connection import Connection
    from hotswap.engine.core import Core
    from hotswap.engine.head import Request

SERVER = "hotswap"
_JOIN = 1 << 16  # up to here head and body are joined into one string, above they are sent without copying
_stamp = Stamp(SERVER)


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


class Outbox:
    """The rest of an answer that is complete in memory: the loop sends it."""

    __slots__ = ("keep", "parts")

    def __init__(self, keep: bool, parts: Iterable[memoryview]) -> None:
        self.keep = keep
        self.parts = deque(parts)

    def flush(self, sock: Any) -> bool:
        """Send what the client takes now; True when all is sent. Raises OSError."""
        parts = self.parts
        while parts:
            try:
                sent = sock.send(parts[0])
            except BlockingIOError:
                return False
            if sent < len(parts[0]):
                parts[0] = parts[0][sent:]
            else:
                parts.popleft()
        return True


class Response:
    """The server's side of `start_response`, `write` and the iterable. One request, one thread."""

    __slots__ = (
        "_conn", "_core", "_line", "_request", "_text", "_waiting", "chunked", "code", "done", "headers",
        "headers_sent", "keep", "length", "omit", "outbox", "sent", "status", "stream", "upgraded",
    )  # fmt: skip

    def __init__(self, core: Core, conn: Connection, request: Request, waiting: Callable[[Connection], object]) -> None:
        self._core = core
        self._conn = conn
        self._request = request
        self._waiting = waiting
        self._text = ""
        self._line = ""
        self.status: str | None = None
        self.code = 0
        self.headers: list[tuple[str, str]] = []
        self.headers_sent = False
        self.length: int | None = None
        self.chunked = False
        self.keep = request.keep_alive and core.keepalive
        self.omit = False
        self.upgraded = False
        self.done = False  # all of it is sent or in the outbox
        self.sent = 0
        self.outbox: Outbox | None = None
        self.stream: Stream | None = None

    # what the application calls

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """PEP 3333. Raises what is wrong with status or headers here, in the application's own call."""
        if exc_info:
            try:
                if self.headers_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # no circle of frames and tracebacks
        elif self.status is not None:
            raise AssertionError("start_response was called twice without exc_info")
        line, code = statuses.get(status) or learn_status(status)
        self.length = None
        text = ""
        for name, value in headers:
            kind = names.get(name)
            if kind is None:
                kind = learn_name(name)
            if value.__class__ is not str or not value.isprintable():
                check_value(name, value)
            if kind and not self._special(kind, value):
                continue
            text += f"{name}: {value}\r\n"
        self._line, self.code, self._text = line, code, text
        self.status, self.headers = status, headers
        return self.write

    def _special(self, kind: int, value: str) -> bool:
        """What a header means to us. False: it is not sent as the application wrote it."""
        if kind == LENGTH:
            if not (value.isascii() and value.isdigit()):
                raise ValueError(f"{value!r} is not a Content-Length")
            self.length = int(value)
            return False
        if kind == DROPPED:
            return False
        if kind == CONNECTION:
            asked = value.lower()
            self.upgraded = self.upgraded or asked == "upgrade"
            if asked == "close" or self.upgraded:
                self.keep = False
            return False
        return value.lower() == "websocket"

    def write(self, data: bytes) -> None:
        """A block of the body: from the iterable, or through PEP 3333's `write`."""
        if data.__class__ is not bytes and not isinstance(data, bytes):
            raise TypeError(f"a WSGI body is made of bytes, not {data.__class__.__name__}")
        if not data:
            return
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
        # Nothing can follow a body whose announced length is reached: what the client does not take now, the
        # loop sends.
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

    def release(self) -> None:
        """The request is over. environ has `early_hints` in it: a circle, which only a collection would free.

        Nor is the connection ours any more: a `write` that was kept would speak in the middle of other answers.
        """
        del self._request, self._conn

    # what loggers and hooks read, by gunicorn's names

    @property
    def status_code(self) -> int:
        return self.code

    @property
    def response_length(self) -> int | None:
        return self.length

    # what the engine calls

    def send(self, result: Iterable[bytes]) -> None:
        """Send all that the application returned. Raises Disconnected, or whatever the iterable raises."""
        if isinstance(result, (list, tuple)) and not self.headers_sent:
            self._send_whole(result[0] if len(result) == 1 else b"".join(result))
        elif not (isinstance(result, FileWrapper) and self._send_file(result)):
            for data in result:
                self.write(data)
            self._end()
        self.done = True

    def _head(self, whole: int | None) -> bytes:
        """The head's bytes; `whole` is the body's length if all of it is known. Decides on framing and on closing."""
        if self.status is None:
            raise AssertionError("the application did not call start_response")
        conn, core = self._conn, self._core
        if conn.raw is not None and conn.raw.taken:
            raise Disconnected("the application has spoken with its client by itself")
        if self.stream is not None and not self.stream.settle(core.limits.unread_body):
            self.keep = False
        text = self._text + self._framing(whole)
        # The answer that closes is the last one: requests that were read already are answered before.
        if (conn.closing or core.draining) and not conn.data:
            self.keep = False
        if not self.keep or not self._request.http11:
            text += self._connection()
        head = f"{self._line}{_stamp.lines(time())}{text}\r\n".encode("latin-1")
        self.headers_sent = True
        return head

    def _framing(self, whole: int | None) -> str:
        """The header line that tells where the body ends (RFC 9112, section 6), "" if there is none."""
        code = self.code
        if code == 204 or code < 200:
            self.omit, self.length = True, None
            return ""
        self.omit = code == 304 or self._request.method == "HEAD"
        if self.length is None and not self.omit:
            if whole is None:
                if self._request.http11:
                    self.chunked = True
                    return "Transfer-Encoding: chunked\r\n"
                self.keep = False  # for HTTP/1.0, closing is the end
                return ""
            self.length = whole
        return "" if self.length is None else f"Content-Length: {self.length}\r\n"

    def _connection(self) -> str:
        if self.upgraded:
            return "Connection: upgrade\r\n"
        return "Connection: keep-alive\r\n" if self.keep else "Connection: close\r\n"

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
        try:
            core, sock = self._core, self._conn.sock
            sent = core.unyielding.send(sock, data) if core.crowded else sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise Disconnected(str(error)) from error
        if sent == len(data):
            return
        rest = memoryview(data)[sent:]
        if last:
            self.outbox = Outbox(self.keep, (rest,))
        else:
            send_all(self._conn.sock, rest, self._core.limits.write_timeout, lambda: self._waiting(self._conn))

    def _push_two(self, head: bytes, body: bytes) -> None:
        try:
            sent = self._conn.sock.sendmsg((head, body))
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise Disconnected(str(error)) from error
        if sent < len(head):
            self.outbox = Outbox(self.keep, (memoryview(head)[sent:], memoryview(body)))
        elif sent < len(head) + len(body):
            self.outbox = Outbox(self.keep, (memoryview(body)[sent - len(head) :],))

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
            if self.outbox is not None:
                self.outbox.keep = False
            self._core.log.error(
                "%s %s: the application announced %d bytes and sent %d: the connection is closed",
                self._request.method, self._request.uri, self.length, self.sent,
            )  # fmt: skip

    # sendfile

    def _send_file(self, wrapper: FileWrapper) -> bool:
        """Send a file by sendfile(2). False if it has no descriptor to do that with."""
        if not self._core.sendfile or self.headers_sent:
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
        sock, timeout = self._conn.sock, self._core.limits.write_timeout
        end = offset + count
        while offset < end:
            try:
                sent = os.sendfile(sock.fileno(), fd, offset, end - offset)
            except BlockingIOError:
                # One byte by hand waits as send_all waits, and gives the lead away first.
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
