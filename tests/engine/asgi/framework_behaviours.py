"""More of what applications rely on with uvicorn: through Starlette's middlewares, with tasks that others cancel, and
with clients that take nothing. `test_uvicorn_behaviours` has the table.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
from collections.abc import AsyncIterator
from typing import Any

import anyio
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tests.engine.asgi.asgi_apps import Receive, Scope, Send, body, start
from tests.engine.asgi.behaviours import WORD, Notes, hello
from tests.engine.engine_server import DEADLINE, Client, request

_MUCH = 32 << 20  # bytes: more than the kernel's buffers hold


async def streams_with_work_behind(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"piece"
        await asyncio.sleep(DEADLINE)

    async def work() -> None:
        notes.add("works")
        await asyncio.sleep(0.01)
        notes.add("worked")

    await StreamingResponse(pieces(), background=BackgroundTask(work))(scope, receive, send)  # type: ignore[arg-type]


async def has_a_middleware(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    """Starlette's class of them, which calls the application in another task; it sets the variable."""

    async def dispatch(asked: Request, call_next: RequestResponseEndpoint) -> Response:
        WORD.set("the middleware's")
        answer = await call_next(asked)
        notes.add("behind: " + WORD.get())
        return answer

    async def endpoint(_scope: Any, _receive: Any, answer: Any) -> None:
        notes.add("inside: " + WORD.get())
        WORD.set("the endpoint's")
        notes.add(await anyio.to_thread.run_sync(WORD.get))
        await hello(notes, scope, receive, answer)

    notes.add("before: " + WORD.get())
    await BaseHTTPMiddleware(endpoint, dispatch)(scope, receive, send)  # type: ignore[arg-type]


async def asks_whether_it_is_gone(notes: Notes, scope: Scope, receive: Receive, _send: Send) -> None:
    """Starlette's question, which cancels a `receive` that would wait."""
    asked = Request(scope, receive)
    await asked.body()
    notes.add(await asked.is_disconnected())
    with anyio.fail_after(DEADLINE):
        while not await asked.is_disconnected():
            await asyncio.sleep(0.01)
    notes.add("gone")


async def meets_another(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    """Two requests at once: each has the variable that it has set."""
    shared = scope["state"]["shared"]
    WORD.set(scope["path"])
    shared.append(asyncio.Event())
    if scope["path"] == "/2":
        shared[0].set()
    else:
        notes.add("waits")
        await shared[0].wait()
    notes.add((scope["path"], WORD.get()))
    await hello(notes, scope, receive, send)


async def is_cancelled_by_another(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    shared = scope["state"]["shared"]
    if scope["path"] == "/2":
        shared[0].cancel()
        await asyncio.wait(shared)
        notes.add("ended")
        await hello(notes, scope, receive, send)
        return
    shared.append(asyncio.current_task())
    notes.add("waits")
    try:
        await receive()
        await receive()
    except asyncio.CancelledError:
        notes.add("cancelled")
        raise


async def has_a_deadline_for_sending(notes: Notes, _scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-length", str(_MUCH).encode())))
    try:
        await asyncio.wait_for(_send_much(send), 0.1)
    except asyncio.TimeoutError:
        notes.add("timed out")


async def _send_much(send: Send) -> None:
    for _ in range(_MUCH >> 16):
        await send(body(bytes(1 << 16), more=True))
    await send(body())


async def has_lists_of_lists(_notes: Notes, _scope: Scope, _receive: Receive, send: Send) -> None:
    headers = ([b"set-cookie", b"a=1"], (b"set-cookie", b"b=2"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send(body())


async def copies_its_context(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    """A task has a copy of the context that its maker has then."""

    async def child() -> None:
        notes.add(WORD.get())
        WORD.set("the child's")

    WORD.set("the call's")
    await asyncio.get_running_loop().create_task(child())
    notes.add(WORD.get())
    notes.add(contextvars.copy_context()[WORD])
    await hello(notes, scope, receive, send)


def goes_behind_its_request(client: Client, notes: Notes) -> None:
    client.send(request())
    notes.wait_for(False)
    client.reset()


def waits_for_the_work(client: Client, notes: Notes) -> bytes:
    client.send(request())
    client.head()
    piece = client.chunk()
    client.reset()
    notes.wait_for("worked")
    return piece


def takes_nothing(client: Client, notes: Notes) -> None:
    client.send(request())
    notes.wait_for("timed out")


def posts_much(client: Client, _notes: Notes) -> Any:
    """Nothing of it is sent before the answer."""
    client.send(request("/", f"Content-Length: {_MUCH}", method="POST"))
    answer = client.read()
    return answer.body, answer.headers.get("connection", "")


def gets_twice_at_once(client: Client, notes: Notes) -> Any:
    """/1, and /2 by another client when the first one waits: the statuses."""
    client.send(request("/1"))
    notes.wait_for("waits")
    other = Client(socket.create_connection(client.sock.getpeername(), DEADLINE))
    try:
        second = other.get("/2").status
    finally:
        other.close()
    return client.read().status, second
