"""Event loops on threads of their own: each test runs on both of them, and each loop ends with its test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hotswap.engine.asgi.loop_factory import loop_factory
from hotswap.engine.asgi.loop_thread import LoopThread
from tests.engine.engine_server import Log

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
