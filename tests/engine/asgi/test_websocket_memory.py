"""Clients of websockets that send and do not read: what is held for them has an end."""

from __future__ import annotations

import asyncio
import select
import threading

from tests.engine.asgi.test_websockets import ASKS, frame, opened
from tests.engine.asgi.websocket_apps import Websocket, WebsocketApp, echo
from tests.engine.engine_server import DEADLINE, Client, Serve, request
from tests.eventually import eventually


def sent_until_it_stops(client: Client, data: bytes) -> int:
    """How much of `data` the server takes, and the kernel for it, while the client reads nothing."""
    client.sock.setblocking(False)
    taken = 0
    while taken < len(data) and select.select([], [client.sock], [], 1.0)[1]:
        taken += client.sock.send(data[taken : taken + 60_000])
    client.sock.settimeout(DEADLINE)
    return taken


def test_pongs_that_are_not_read(serve: Serve) -> None:
    """The client's next pings stay in the kernel, and are answered when it reads."""
    ping, pong, count = frame(9, bytes(125)), b"\x8a\x7d" + bytes(125), 100_000
    raw = opened(serve(WebsocketApp(echo)))
    taken = sent_until_it_stops(raw, ping * count)
    assert taken < len(ping) * count, "13 MB of pings were answered to a client that reads nothing"
    whole, part = divmod(taken, len(ping))
    for _ in range(whole):
        assert raw.exactly(len(pong)) == pong
    raw.send((ping[part:] if part else b"") + frame(1, b"hello"))
    assert raw.exactly(len(pong) if part else 0) == (pong if part else b"")
    assert raw.exactly(7) == b"\x81\x05hello"
    raw.close()


def test_what_comes_behind_a_denial_is_thrown_away(serve: Serve) -> None:
    """The client asked for a websocket, gets an answer instead, reads nothing of it, and sends messages."""
    size, has_sent = 20_000_000, threading.Event()

    async def denies(websocket: Websocket) -> None:
        await websocket.receive()
        await websocket.send({"type": "websocket.http.response.start", "status": 403, "headers": []})
        await websocket.send({"type": "websocket.http.response.body", "body": bytes(size)})
        await asyncio.get_running_loop().run_in_executor(None, has_sent.wait)
        await websocket.receive()

    app = WebsocketApp(denies)
    raw = serve(app).connect()
    raw.send(request("/", *ASKS))
    assert raw.head().status == 403
    raw.send(frame(1, b"hello"))
    has_sent.set()
    eventually(lambda: len(app.said) == 2)
    assert app.said[1]["type"] == "websocket.disconnect"
    assert raw.exactly(size) == bytes(size)
    assert raw.closed()
