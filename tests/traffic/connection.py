"""One client connection: each way to fail has its class, and a server that closes is never overlooked."""

from __future__ import annotations

import errno
import os
import socket
import time
from dataclasses import dataclass

from tests.traffic.answers import Answer, AnswerReader, MalformedAnswer
from tests.traffic.loop import DEADLINE, NEWS, READ, WRITE, Loop, wait
from tests.traffic.outcomes import Failure

_PIECE = 65536


@dataclass(frozen=True)
class Target:
    """Where clients connect to, and what they call it in their Host header."""

    family: int
    address: tuple[str, int] | str
    host: str

    @classmethod
    def parse(cls, text: str) -> Target:
        """Takes `127.0.0.1:80`, `[::1]:80`, `http://…`, `unix:/path` and `unix:@abstract`."""
        text = text.removeprefix("http://").rstrip("/")
        if text.startswith("unix:"):
            path = text.removeprefix("unix:")
            return cls(socket.AF_UNIX, "\0" + path[1:] if path.startswith("@") else path, "localhost")
        host, _, port = text.rpartition(":")
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        return cls(family, (host.strip("[]"), int(port)), text)


class Connection:
    """A socket with its deadlines. `over` is true when it can carry no further request.

    `asked_close` is set by a client that sends `Connection: close`. `ended` says how the server ended the
    connection though the client had not asked for it, and `announced` that an answer said so; else it is empty.
    """

    def __init__(self, loop: Loop, target: Target, receive_buffer: int | None = None) -> None:
        self.asked_close = False
        self.over = False
        self.ended = ""
        self.announced = False
        self.where = "no address"
        self._loop = loop
        self._target = target
        self._answers = AnswerReader()
        self._sock = socket.socket(target.family, socket.SOCK_STREAM)
        self._sock.setblocking(False)
        if receive_buffer is not None:  # before connecting, because it decides the window that is offered
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)

    async def open(self, deadline: float) -> None:
        """Connects; raises Failure refused or not_connected."""
        try:
            await self._connect(deadline)
        except ConnectionRefusedError as error:
            raise Failure("refused") from error
        except OSError as error:
            raise Failure("not_connected", str(error)) from error
        if self._target.family != socket.AF_UNIX:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.where = "{}:{}".format(*self._sock.getsockname()[:2])

    async def _connect(self, deadline: float) -> None:
        while (code := self._sock.connect_ex(self._target.address)) == errno.EAGAIN:
            # A unix socket whose backlog is full: nothing can be waited on, connect() has to be called again.
            if time.monotonic() > deadline:
                raise TimeoutError("the backlog stayed full")
            await wait(None, 0, time.monotonic() + 0.002)
        if code == errno.EINPROGRESS:
            if not await wait(self._sock, WRITE, deadline):
                raise TimeoutError("no answer to the attempt to connect")
            code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))

    async def send(self, data: bytes, deadline: float) -> None:
        """Sends all of it; raises Failure reset or timeout."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._sock.send(view[:_PIECE]) :]
            except BlockingIOError:
                if not await wait(self._sock, WRITE, deadline):
                    self.over = True
                    raise Failure("timeout", f"{len(view)} bytes could not be sent") from None
            except (BrokenPipeError, ConnectionResetError) as error:
                self._lost("while a request was sent")
                raise Failure("reset", f"while a request was sent: {error}") from error

    async def answer(self, deadline: float, *, piece: int = _PIECE, pause: float = 0.0) -> Answer:
        """The next answer, read in pieces with pauses between them if asked; raises Failure."""
        while (answer := self._next()) is None:
            if pause and self._answers.began:
                await wait(None, 0, min(deadline, time.monotonic() + pause))
            data = await self._receive(deadline, piece)
            if not data:
                return self._closed_where_due()
            self._answers.feed(data)
        self._look_at(answer)
        return answer

    def _next(self) -> Answer | None:
        try:
            return self._answers.next()
        except MalformedAnswer as error:
            self.over = True
            raise Failure("malformed", str(error)) from error

    async def _receive(self, deadline: float, piece: int) -> bytes:
        while True:
            try:
                return self._sock.recv(piece)
            except BlockingIOError:
                if not await wait(self._sock, READ, deadline):
                    self.over = True
                    raise Failure("timeout", self._so_far()) from None
            except ConnectionResetError as error:
                began = self._answers.began
                self._lost("by a reset where an answer was due")
                raise Failure("reset_mid_answer" if began else "reset") from error

    def _so_far(self) -> str:
        return "a part of the answer had come" if self._answers.began else "no byte of an answer had come"

    def _closed_where_due(self) -> Answer:
        answer = self._answers.end()
        if answer is not None:
            self._look_at(answer)
            return answer
        began = self._answers.began
        self._lost("where an answer was due")
        raise Failure("closed_mid_answer" if began else "closed_without_answer")

    def _look_at(self, answer: Answer) -> None:
        if answer.closes:
            self.over = True
            if not self.asked_close:
                self.announced = True
                self.ended = "as an answer said"

    def _lost(self, how: str) -> None:
        self.over = True
        if not self.asked_close:
            self.ended = self.ended or how

    async def rest(self, until: float, *, news: bool = False) -> bool:
        """Idles until then, or until news if asked (then true), with an eye on the server, which may end it.

        Raises Failure unasked when bytes come. The server is looked at even if the time is already over.
        """
        if self._answers.began:
            self.over = True
            raise Failure("unasked", "bytes after the answer")
        while self._quiet():
            answer = await wait(self._sock, READ, until, news=news)
            if answer in (DEADLINE, NEWS):
                return self._quiet() and answer == NEWS
        return False

    def _quiet(self) -> bool:
        if self.over:
            return False
        try:
            data = self._sock.recv(64, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError as error:
            self._lost(f"while idle: {error}")
            return False
        if data:
            self.over = True
            raise Failure("unasked", repr(data))
        self._lost("while idle")
        return False

    async def closed(self, deadline: float) -> None:
        """Waits for the end that was asked for; raises Failure not_closed, reset_after_answer or unasked."""
        self.over = True
        try:
            data = b"" if self._answers.began else await self._receive(deadline, 64)
        except Failure as failure:
            raise Failure("not_closed" if failure.cls == "timeout" else "reset_after_answer") from failure
        if data or self._answers.began:
            raise Failure("unasked", "bytes after the last answer")

    def close(self) -> None:
        """Closes the client's end."""
        self.over = True
        self._loop.forget(self._sock)
        self._sock.close()
