"""Event loops on threads of their own: each test runs on both of them, and each loop ends with its test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hotswap.engine.asgi.loop_factory import loop_factory
from hotswap.engine.asgi.loop_thread import LoopThread
from tests.engine.asgi.asgi_server import AsgiServer
from tests.engine.engine_server import App, Log, Serve

LOOPS = ["asyncio", "uvloop"]

Start = Callable[[], LoopThread]


@pytest.fixture
def log() -> Log:
    """What the loops say."""
    return Log()


@pytest.fixture(params=LOOPS)
def thread(request: pytest.FixtureRequest, log: Log) -> Iterator[LoopThread]:
    """A loop that runs."""
    made = LoopThread(loop_factory(request.param), log)
    made.start()
    yield made
    assert made.stop(5.0)


@pytest.fixture(params=LOOPS)
def serve(live: None, request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Starts engines on free ports: `serve(app, settings={...}, limit=value)`."""
    made: list[AsgiServer] = []

    def start(app: App, **options: Any) -> AsgiServer:
        made.append(AsgiServer(app, loop=request.param, **options))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        one.end()
