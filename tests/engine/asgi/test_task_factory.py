"""Task factories of the application that fail: a request costs its connection, and nothing of it is kept."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.engine.asgi.asgi_apps import Receive, Scope, Send, hello, over_http
from tests.engine.asgi.test_websockets import ASKS
from tests.engine.engine_server import Serve, request


class FailsOnce:
    """A task factory."""

    def __init__(self, error: BaseException) -> None:
        self._error = error
        self._has_failed = False

    def __call__(self, loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
        if not self._has_failed:
            self._has_failed = True
            work.close()
            raise self._error
        return asyncio.Task(work, loop=loop, **more)


@pytest.mark.parametrize("error", [LookupError("no task"), SystemExit(3)], ids=["fails", "exits"])
@pytest.mark.parametrize("fields", [(), ASKS], ids=["http", "websocket"])
def test_one_that_fails(serve: Serve, fields: tuple[str, ...], error: BaseException) -> None:
    """The log names it, and the engine is idle afterwards, and can be replaced."""

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/set":
            asyncio.get_running_loop().set_task_factory(FailsOnce(error))
        if scope["type"] == "http":
            await hello(scope, receive, send)

    server = serve(app)
    server.expected_exceptions = 1
    client = server.connect()
    assert client.get("/set").body == b"/set"
    client.send(request("/fails", *fields))
    assert client.closed()
    other = server.connect()
    assert other.get("/next").body == b"/next"
    other.close()
    server.wait_idle()
    assert server.engine.in_flight() == []
    assert server.engine.counters.unanswered == 1
    (said,) = server.log.said("exception")
    assert "RuntimeError: the application's task factory has failed" in said
