"""Applications that fork in their call, and come back from it in both processes."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tests.engine.asgi.asgi_apps import Receive, Scope, Send, hello, over_http
from tests.engine.asgi.test_websockets import opened
from tests.engine.asgi.websocket_apps import Websocket, WebsocketApp
from tests.engine.engine_server import EngineServer, Serve
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
