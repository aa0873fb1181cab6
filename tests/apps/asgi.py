"""The ASGI application of the tests: tests/apps/plain.py's routes and constants, but for ABOVE, and a lifespan."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import unquote

import hotswap
from tests.apps import plain
from tests.apps.early import gate
from tests.apps.plain import take
from tests.apps.startups import Chosen

VERSION = "1"
ADDRESS: Any = "127.0.0.1:0"
SETTINGS: dict[str, Any] = {}
BELOW: Any = []
LAST: Any = []

plain.VERSION = VERSION
take(BELOW)

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]


def say(*words: object) -> None:
    """A line on standard output, in one piece: several processes write."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def lifespan(receive: Receive, send: Send) -> None:
    """Says when it starts up and shuts down."""
    await receive()
    try:
        await Chosen.startup()
    except NotImplementedError:
        raise
    except Exception as error:  # noqa: BLE001  what Starlette does
        await send({"type": "lifespan.startup.failed", "message": repr(error)})
        return
    say("startup in", os.getpid())
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await Chosen.shutdown()
    say("shutdown in", os.getpid())
    await send({"type": "lifespan.shutdown.complete"})


async def body_of(receive: Receive) -> bytes:
    """The whole body of a request."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def echo(websocket: bool, receive: Receive, send: Send) -> None:
    """A websocket that says what it hears."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": f"{message['text']} {os.getpid()}"})
    say("websocket closed by", message.get("code"))


async def push(who: str, receive: Receive, send: Send) -> None:
    """A websocket that numbers what it sends, and says how many messages could be sent."""
    await receive()
    await send({"type": "websocket.accept"})
    number = 0
    try:
        while True:
            await send({"type": "websocket.send", "text": str(number)})
            number += 1
            await asyncio.sleep(0.02)
    except OSError:
        say("pushed", who, number)


async def answer(scope: Message, receive: Receive) -> tuple[int, Iterator[bytes]]:
    """The status, and the pieces of the body."""
    name, _, rest = unquote(scope["path"]).strip("/").partition("/")
    if name == "slow":
        say("slow", rest, "began")
        await asyncio.sleep(float(rest))
        return 200, iter([f"waited {rest} {plain.who()}".encode()])
    if name == "blocks":
        # What no application should do: nothing else of this process is served meanwhile.
        gate(rest)
        return 200, iter([f"blocked {rest} {plain.who()}".encode()])
    if name == "upload":
        return 200, iter([hashlib.sha256(await body_of(receive)).hexdigest().encode()])
    if name == "told":
        told = scope["state"]["draining"]
        say("waits until told")
        await told.wait()
        return 200, iter([f"told {plain.who()}".encode()])
    if name not in plain.ROUTES:
        return 404, iter([b"no such route\n"])
    environ = {"QUERY_STRING": scope["query_string"].decode(), "wsgi.input": io.BytesIO()}
    environ["REMOTE_ADDR"] = (scope.get("client") or ["", 0])[0]
    pieces = plain.ROUTES[name](environ, rest)
    return 200, pieces if name == "stream" else iter([await asyncio.to_thread(b"".join, pieces)])


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """The ASGI application; every answer also says in its headers which process gave it."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if scope["type"] == "websocket":
        if scope["path"].startswith("/push/"):
            await push(scope["path"].removeprefix("/push/"), receive, send)
        else:
            await echo(True, receive, send)
        return
    status, pieces = await answer(scope, receive)
    headers = [
        (b"content-type", b"text/plain"),
        (b"x-version", VERSION.encode()),
        (b"x-generation", str(hotswap.generation).encode()),
        (b"x-pid", str(os.getpid()).encode()),
    ]
    if not scope["path"].startswith("/stream/"):
        pieces = iter([whole := b"".join(pieces)])
        headers.append((b"content-length", str(len(whole)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


if __name__ == "__main__":
    say("serve() returned", hotswap.serve(app, ADDRESS, **SETTINGS))
    take(LAST)
