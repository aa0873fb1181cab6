"""Plain ASGI: nothing between the server and the figures."""

from __future__ import annotations

from benchmarks.apps.answers import CHUNK, CHUNKS, DOWN, HELLO
from benchmarks.apps.counted import Calls
from benchmarks.apps.counted_asgi import CountedAsgi, Receive, Scope, Send, answer

_calls = Calls()


async def hello(receive: Receive, send: Send) -> None:
    """The least that an application can do."""
    await answer(send, HELLO)


async def up(receive: Receive, send: Send) -> None:
    """Reads the body and says how long it was."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await answer(send, b"%d bytes came\n" % size)


async def down(receive: Receive, send: Send) -> None:
    """A long answer in one piece."""
    await answer(send, DOWN)


async def stream(receive: Receive, send: Send) -> None:
    """A long answer in many pieces, of which nobody knows how many there will be."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for _ in range(CHUNKS):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def echo(receive: Receive, send: Send) -> None:
    """Sends every message back, and counts it as a call."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        _calls.count()
        await send({"type": "websocket.send", "text": message["text"]})


async def lifespan(receive: Receive, send: Send) -> None:
    """Has nothing to start and nothing to stop."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


ROUTES = {"/hello": hello, "/up": up, "/down": down, "/stream": stream, "/echo": echo}


async def _route(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    else:
        await ROUTES[scope["path"]](receive, send)


application = CountedAsgi(_route, _calls)
