"""Applications that fork in their call, and go on in both processes."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.engine.asgi.asgi_apps import Receive, Scope, Send, body, hello, over_http, start
from tests.engine.asgi.test_websockets import opened
from tests.engine.asgi.websocket_apps import Websocket, WebsocketApp
from tests.engine.engine_server import DEADLINE, EngineServer, Serve, request
from tests.eventually import eventually

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def ends(child: int, server: EngineServer) -> None:
    """The child is gone, by itself and in peace; its parent serves on."""
    ended: list[int] = []

    def has_ended() -> int:
        gone, result = os.waitpid(child, os.WNOHANG)
        ended.append(result)
        return gone

    try:
        eventually(has_ended)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    assert os.waitstatus_to_exitcode(ended[-1]) == 0
    for path in ("/one", "/two"):
        assert server.get(path).status == 200


def test_a_child_that_comes_back_from_a_request_ends(serve: Serve) -> None:
    """It has its parent's sockets, and the epoll that both poll with: going on, it would take its parent's clients."""
    children: list[int] = []

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fork":
            child = os.fork()
            if not child:
                return
            children.append(child)
        await hello(scope, receive, send)

    server = serve(app)
    assert server.get("/fork").body == b"/fork"
    ends(children[0], server)


def test_a_child_that_waits_in_the_loop_ends(serve: Serve) -> None:
    """For what its parent's loop was to tell it, perhaps: in that loop it would serve its parent's clients."""
    children: list[int] = []
    futures: list[asyncio.Future[None]] = []

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fork":
            futures.append(asyncio.get_running_loop().create_future())
            child = os.fork()
            if not child:
                await futures[0]
            children.append(child)
        await hello(scope, receive, send)

    server = serve(app)
    assert server.get("/fork").body == b"/fork"
    ends(children[0], server)


def wait_until_gone(child: int) -> None:
    """In the application, so that its loop is blocked meanwhile: whatever the child does, it does before its parent."""
    eventually(lambda: os.waitpid(child, os.WNOHANG)[0], "the child goes on")


async def say_where(scope: Scope, send: Send, parent: int) -> None:
    """Answers with the path and the process."""
    await send(start())
    await send(body(f"{scope['path']} {'parent' if os.getpid() == parent else 'child'}".encode()))


def test_a_child_that_answers_ends(serve: Serve) -> None:
    """The client has its parent's answer, and its connection goes on."""
    parent = os.getpid()

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        child = os.fork() if scope["path"] == "/fork" else 0
        if child:
            wait_until_gone(child)
        await say_where(scope, send, parent)

    client = serve(app).connect()
    assert client.get("/fork").body == b"/fork parent"
    assert client.get("/next").body == b"/next parent"


@pytest.mark.parametrize("others", [1, 4], ids=["in the same turn", "in the same round"])
def test_a_child_that_waits_serves_no_other_client_before_it_ends(serve: Serve, others: int) -> None:
    """With few clients a request's call begins where it is read, and the next one is read then; with more, all are read
    before the first call begins."""
    parent = os.getpid()
    held, free = threading.Event(), threading.Event()

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/hold":
            held.set()
            free.wait(DEADLINE)
        if scope["path"] == "/fork":
            never = asyncio.get_running_loop().create_future()
            child = os.fork()
            if not child:
                await never
            wait_until_gone(child)
        await say_where(scope, send, parent)

    server = serve(app)
    holds, forks, *clients = [server.connect() for _ in range(2 + others)]
    for client in (forks, *clients):
        assert client.get("/first").body == b"/first parent"
    holds.send(request("/hold"))
    assert held.wait(DEADLINE)
    for client, path in [(forks, "/fork"), *((client, "/other") for client in clients)]:
        client.send(request(path))
    free.set()
    for client in (forks, *clients):
        assert client.read().body.endswith(b" parent")
        assert client.get("/last").body == b"/last parent"


def test_a_child_that_waits_leaves_its_parent_s_wake_up(serve: Serve) -> None:
    """uvloop polls once more before it calls what was put off, and would read what another thread has told it."""

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fork":
            loop = asyncio.get_running_loop()
            never = loop.create_future()
            await asyncio.sleep(0)
            other = threading.Thread(target=loop.call_soon_threadsafe, args=(int,))
            other.start()
            other.join()
            child = os.fork()
            if not child:
                await never
            wait_until_gone(child)
        await hello(scope, receive, send)

    server = serve(app)
    engine: Any = server.engine
    assert server.get("/fork").body == b"/fork"
    for number in range(20):  # not all of them find the loop awake
        assert engine.thread.call(lambda number=number: number) == number


def test_a_child_that_receives_ends(serve: Serve) -> None:
    """It has not its parent's client polled again, while the parent has no room for what that sends."""
    servers: list[EngineServer] = []

    def polled() -> str:
        return Path(f"/proc/self/fdinfo/{servers[0].engine._parts.poller.fileno()}").read_text()

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        before = polled()
        while polled() == before:
            await asyncio.sleep(0)
        pauses = polled()
        child = os.fork()
        while not child:
            await receive()
        wait_until_gone(child)
        assert polled() == pauses
        await hello(scope, receive, send)

    servers.append(serve(app))
    client = servers[0].connect()
    client.send(b"POST /fork HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n" + bytes(300_000))
    assert client.read().body == b"/fork"


def test_a_child_that_comes_back_from_a_websocket_ends(serve: Serve) -> None:
    """It does not close its parent's."""
    children: list[int] = []

    async def forks(websocket: Websocket) -> None:
        await websocket.accept()
        child = os.fork()
        if child:
            children.append(child)
            await websocket.receive()

    server = serve(WebsocketApp(forks))
    raw = opened(server)
    eventually(lambda: children)
    ends(children[0], server)
    raw.send(b"\x81\x80" + bytes(4))
    assert raw.exactly(4) == b"\x88\x02\x03\xe8"


def test_a_child_that_sends_over_a_websocket_ends(serve: Serve) -> None:
    """The client has its parent's message alone."""

    async def forks(websocket: Websocket) -> None:
        await websocket.accept()
        child = os.fork()
        if child:
            wait_until_gone(child)
        await websocket.text("parent" if child else "child")

    raw = opened(serve(WebsocketApp(forks)))
    assert raw.exactly(12) == b"\x81\x06parent\x88\x02\x03\xe8"
