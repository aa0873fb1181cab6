"""ASGI applications for the engine's tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from tests.engine.engine_server import DEADLINE

Message = dict[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[Any]]


def over_http(app: AsgiApp) -> AsgiApp:
    """`app` for HTTP alone; its lifespan is up and down at once."""

    async def call(scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return None
        return await app(scope, receive, send)

    return call


def start(status: int = 200, *headers: tuple[bytes, bytes], **more: Any) -> Message:
    """The beginning of an answer."""
    return {"type": "http.response.start", "status": status, "headers": list(headers), **more}


def body(data: bytes = b"", *, more: bool = False) -> Message:
    """A piece of its body, the last one if there are no `more`."""
    return {"type": "http.response.body", "body": data, "more_body": more}


async def read_body(receive: Receive) -> bytes:
    """The request's body; ConnectionError if the client goes before its end."""
    data, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        data, more = data + message["body"], message["more_body"]
    return data


@over_http
async def hello(scope: Scope, _receive: Receive, send: Send) -> None:
    """Says which path was asked for."""
    await send(start())
    await send(body(scope["path"].encode()))


@over_http
async def echo(_scope: Scope, receive: Receive, send: Send) -> None:
    """Sends the request's body back."""
    data = await read_body(receive)
    await send(start())
    await send(body(data))


class Seen:
    """What an application sees, for a test on another thread."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self._news = threading.Condition()

    def add(self, message: Any) -> None:
        with self._news:
            self.messages.append(message)
            self._news.notify_all()

    def wait_for(self, *messages: Any) -> None:
        """Wait until exactly these were seen."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.messages) >= len(messages), DEADLINE), self.messages
        assert self.messages == list(messages)


class AsyncGate:
    """Opened by a test, awaited in the loop."""

    def __init__(self) -> None:
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._is_open = False

    async def wait(self) -> None:
        if not self._is_open:
            event = asyncio.Event()
            self._waiters.append((asyncio.get_running_loop(), event))
            await asyncio.wait_for(event.wait(), DEADLINE)

    def open(self) -> None:
        self._is_open = True
        for loop, event in self._waiters:
            loop.call_soon_threadsafe(event.set)
