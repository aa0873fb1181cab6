"""The kinds of clients: what each does on a connection, turn by turn. KINDS is the table of them.

Whatever is asked carries a token of its own, and the answer must show it, so that an answer meant for
somebody else is noticed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from tests.traffic.answers import Answer
from tests.traffic.connection import Connection
from tests.traffic.loop import wait
from tests.traffic.outcomes import Failure

MIB = 1024 * 1024
PIPELINED = 4
UPLOAD_PIECES, UPLOAD_PAUSE = 16, 0.01
"""A 1 MiB body takes at least 0.15 s, so restarts happen while some of them are on the way."""
READ_PIECE, READ_PAUSE, READ_BUFFER = 16384, 0.008, 16384
"""Reading 1 MiB takes at least half a second, and the receive buffer holds only a little of it."""
HALF_SENT = 3.0
"""Seconds a slow writer waits for news before it sends the second half of its head all the same."""


@dataclass(frozen=True)
class Paths:
    """What is asked for, with `{token}` and `{size}` filled in.

    `echo` must be answered with a body that has the token in it, `upload` with the SHA-256 of the body in
    hexadecimal digits, `stream` with `size` bytes of the token and a line feed, repeated.
    """

    echo: str = "/echo/{token}"
    upload: str = "/upload?{token}"
    stream: str = "/stream/{size}?{token}"


def streamed(token: str, size: int) -> bytes:
    """The body that the stream path is answered with."""
    line = f"{token}\n".encode()
    return (line * (size // len(line) + 1))[:size]


class Asking(Protocol):
    """What a turn may use of the client that takes it."""

    paths: Paths
    host: str
    timeout: float

    def token(self) -> str: ...
    async def news(self, connection: Connection, seconds: float) -> None: ...
    def good(self, answer: Answer, began: float) -> None: ...


Turn = Callable[[Asking, Connection], Awaitable[None]]


@dataclass(frozen=True)
class Kind:
    """What tells a kind from others beside its turn.

    `pause`: seconds between turns, the connection idle but watched. `prompt`: the time taken is the server's
    alone. `asks`: requests in a turn. `once`: a connection serves one turn. `receive_buffer`: as SO_RCVBUF.
    """

    turn: Turn
    pause: float = 0.0
    prompt: bool = True
    asks: int = 1
    once: bool = False
    receive_buffer: int | None = None


def head(me: Asking, method: str, path: str, *fields: str) -> bytes:
    """A request's head."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {me.host}", *fields, "", ""]).encode()


def expect(answer: Answer, found: bool, what: str) -> None:
    """Raises Failure unless the answer is the one that was asked for."""
    if answer.status != 200:
        raise Failure("bad_status", f"{answer.status} {answer.body[:200]!r}")
    if not found:
        raise Failure("wrong_body", f"no {what} in {answer.body[:120]!r} ({len(answer.body)} bytes)")


async def _echo(me: Asking, connection: Connection, *fields: str) -> None:
    began, token = time.monotonic(), me.token()
    await connection.send(head(me, "GET", me.paths.echo.format(token=token), *fields), began + me.timeout)
    answer = await connection.answer(began + me.timeout)
    expect(answer, token.encode() in answer.body, token)
    me.good(answer, began)


async def keep_alive(me: Asking, connection: Connection) -> None:
    """One request after the other on a connection that is meant to last."""
    await _echo(me, connection)


async def one_shot(me: Asking, connection: Connection) -> None:
    """A connection for each request, which asks to be closed."""
    connection.asked_close = True
    await _echo(me, connection, "Connection: close")
    await connection.closed(time.monotonic() + me.timeout)


async def idle(me: Asking, connection: Connection) -> None:
    """One request, then silence until there is news, and then the next on the same connection."""
    await _echo(me, connection)
    await me.news(connection, float("inf"))


async def slow_writer(me: Asking, connection: Connection) -> None:
    """Half of a head, then silence until there is news (a restart, say), then the other half."""
    token = me.token()
    data = head(me, "GET", me.paths.echo.format(token=token))
    await connection.send(data[: len(data) // 2], time.monotonic() + me.timeout)
    await me.news(connection, HALF_SENT)
    began = time.monotonic()
    await connection.send(data[len(data) // 2 :], began + me.timeout)
    answer = await connection.answer(began + me.timeout)
    expect(answer, token.encode() in answer.body, token)
    me.good(answer, began)


async def slow_reader(me: Asking, connection: Connection) -> None:
    """Asks for 1 MiB and takes it in small pieces with pauses between them."""
    began, token = time.monotonic(), me.token()
    await connection.send(head(me, "GET", me.paths.stream.format(token=token, size=MIB)), began + me.timeout)
    answer = await connection.answer(began + me.timeout, piece=READ_PIECE, pause=READ_PAUSE)
    expect(answer, answer.body == streamed(token, MIB), f"{MIB} bytes of {token}")
    me.good(answer, began)


async def uploader(me: Asking, connection: Connection) -> None:
    """Sends 1 MiB in pieces, and wants to be told their SHA-256."""
    began, token = time.monotonic(), me.token()
    body = streamed(token, MIB)
    path = me.paths.upload.format(token=token)
    await connection.send(head(me, "POST", path, f"Content-Length: {MIB}"), began + me.timeout)
    size = MIB // UPLOAD_PIECES
    for start in range(0, MIB, size):
        await connection.send(body[start : start + size], began + me.timeout)
        await wait(None, 0, time.monotonic() + UPLOAD_PAUSE)
    answer = await connection.answer(began + me.timeout)
    expect(answer, hashlib.sha256(body).hexdigest().encode() in answer.body, "digest")
    me.good(answer, began)


async def pipelining(me: Asking, connection: Connection) -> None:
    """Several requests in one write; the answers must come in their order."""
    began, tokens = time.monotonic(), [me.token() for _ in range(PIPELINED)]
    data = b"".join(head(me, "GET", me.paths.echo.format(token=token)) for token in tokens)
    await connection.send(data, began + me.timeout)
    for token in tokens:
        answer = await connection.answer(began + me.timeout)
        expect(answer, token.encode() in answer.body, token)
        me.good(answer, began)


KINDS = {
    "keep-alive": Kind(keep_alive, pause=0.002),
    # 2 ms, because a port lies fallow after each connection and there are only 28,000 of them.
    "one-shot": Kind(one_shot, pause=0.002, once=True),
    "idle": Kind(idle),
    "slow-writer": Kind(slow_writer),
    "slow-reader": Kind(slow_reader, prompt=False, receive_buffer=READ_BUFFER),
    "uploader": Kind(uploader, prompt=False),
    "pipelining": Kind(pipelining, pause=0.002, asks=PIPELINED),
}
