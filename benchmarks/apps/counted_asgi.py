"""How often an ASGI application was called: see `counted`. The messages of a websocket count as calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from benchmarks.apps.counted import CALLS, Calls

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class CountedAsgi:
    """An ASGI application around another one: answers `/calls` with the number of calls so far, this one included."""

    def __init__(self, application: Application, calls: Calls | None = None) -> None:
        """An application that counts messages by itself brings the `calls` in which it does."""
        self._application = application
        self._calls = Calls() if calls is None else calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts a request, and calls the application; lifespan and websockets are left to it."""
        if scope["type"] == "http":
            calls = self._calls.count()
            if scope["path"] == CALLS:
                await answer(send, self._calls.answer(calls))
                return
        await self._application(scope, receive, send)


async def answer(send: Send, body: bytes) -> None:
    """A whole answer, its length in the head."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
