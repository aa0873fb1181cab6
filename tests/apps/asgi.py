"""The ASGI application of the tests: tests/apps/plain.py's routes, as far as they are needed, and a lifespan."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from typing import Any

import hotswap
from tests.apps.plain import take
from tests.apps.startups import Chosen

VERSION = "1"
ADDRESS: Any = "127.0.0.1:0"
SETTINGS: dict[str, Any] = {}
BELOW: Any = []

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


async def answer(path: str, receive: Receive) -> bytes:
    """What a path is answered with."""
    name, _, rest = path.strip("/").partition("/")
    if name == "slow":
        say("slow", rest, "began")
        await asyncio.sleep(float(rest))
        return f"waited {rest} ".encode()
    if name == "fail":
        raise RuntimeError(f"asked to fail: {rest}")
    if name == "upload":
        return hashlib.sha256(await body_of(receive)).hexdigest().encode()
    plain = {"pid": str(os.getpid()), "version": VERSION}
    who = f"{rest} version={VERSION} generation={hotswap.generation} pid={os.getpid()}\n"
    return plain.get(name, who).encode()


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """The ASGI application; every answer also says in its headers which process gave it."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if scope["type"] == "websocket":
        await echo(True, receive, send)
        return
    body = await answer(scope["path"], receive)
    headers = {
        b"content-type": b"text/plain",
        b"content-length": str(len(body)).encode(),
        b"x-version": VERSION.encode(),
        b"x-generation": str(hotswap.generation).encode(),
        b"x-pid": str(os.getpid()).encode(),
    }
    await send({"type": "http.response.start", "status": 200, "headers": list(headers.items())})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    say("serve() returned", hotswap.serve(app, ADDRESS, **SETTINGS))
