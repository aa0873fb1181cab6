"""ASGI applications with websockets, for the engine's tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.engine.asgi.asgi_apps import Message, Receive, Scope, Send

Handler = Callable[["Websocket"], Awaitable[Any]]


class Websocket:
    """One websocket as an application has it; `said` is what `receive` has said, in order."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, said: list[Message]) -> None:
        self.scope = scope
        self._receive = receive
        self.send = send
        self.said = said

    async def receive(self) -> Message:
        """The next message."""
        message = await self._receive()
        self.said.append(message)
        return message

    async def accept(self, **more: Any) -> None:
        """Take websocket.connect, and accept."""
        await self.receive()
        await self.send({"type": "websocket.accept", **more})

    async def text(self, text: str) -> None:
        """Send it."""
        await self.send({"type": "websocket.send", "text": text})


class WebsocketApp:
    """Calls `handler` for each websocket; `said` is what all of them have received, `failed` what they have raised."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.said: list[Message] = []
        self.failed: list[BaseException] = []
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"plain"})
            return
        self.scopes.append(scope)
        try:
            await self._handler(Websocket(scope, receive, send, self.said))
        except BaseException as error:
            self.failed.append(error)
            raise


async def echo(websocket: Websocket) -> None:
    """Sends back what comes, until the client has gone."""
    await websocket.accept()
    while (message := await websocket.receive())["type"] == "websocket.receive":
        await websocket.send({**message, "type": "websocket.send"})


async def endless(websocket: Websocket) -> None:
    """Sends for as long as that works."""
    await websocket.accept()
    while True:
        await websocket.text("x" * 10_000)
        await asyncio.sleep(0)
