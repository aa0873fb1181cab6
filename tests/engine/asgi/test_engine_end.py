"""The end of an engine that has not come to serve: what was wrong with its start is told, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from hotswap.engine.asgi.loop_thread import LoopThread
from hotswap.errors import BootError
from tests.engine.asgi.asgi_server import AsgiServer
from tests.engine.asgi.conftest import LOOPS


async def fails(_scope: Any, receive: Any, send: Any) -> None:
    """Its startup fails."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


@pytest.mark.parametrize("loop", LOOPS)
def test_a_startup_that_fails(live: None, loop: str) -> None:
    """The event loop turned, but no connection was served in it."""
    server = AsgiServer(fails, loop=loop)
    with pytest.raises(BootError, match="no database"):
        server.start()
    server.end()


def test_a_loop_that_cannot_be_made(live: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """For want of descriptors, say."""

    def no_descriptor() -> Any:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("hotswap.engine.asgi.asgi_engine.loop_factory", lambda _: no_descriptor)
    server = AsgiServer(fails, loop="asyncio")
    with pytest.raises(OSError, match="Too many open files"):
        server.start()
    server.end()


def test_calls_of_a_loop_that_has_not_begun(thread: LoopThread) -> None:
    """Are not made."""
    thread = LoopThread(thread._factory, thread._log)
    thread.call_soon(pytest.fail)
    with pytest.raises(RuntimeError, match="has not begun"):
        thread.call(pytest.fail)
