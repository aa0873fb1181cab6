"""Where a task waits, through everything that awaits something else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hotswap.engine.asgi.loop_thread import LoopThread
from hotswap.engine.asgi.task_stack import where_it_runs, where_it_waits
from tests.eventually import eventually


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    """What a lifespan mostly is."""
    await connected()
    yield


async def connected() -> None:
    """Never."""
    await asyncio.Event().wait()


async def outermost() -> None:
    """Awaits over a context manager, whose generator is not to be seen from outside."""
    async with opened():
        raise AssertionError("it waits")


def test_where_a_task_waits(thread: LoopThread) -> None:
    """Down to the innermost line of the application's."""
    task = thread.call(lambda: thread.keep(outermost()))
    thread.call(lambda: None)  # it has been run once
    text = thread.call(where_it_waits, task)
    for line in ("async with opened():", "await connected()", "await asyncio.Event().wait()", "await fut"):
        assert line in text, text
    assert text.index("async with opened()") < text.index("await connected()") < text.index("await fut")


def test_a_task_that_has_ended_waits_nowhere(thread: LoopThread) -> None:
    """Nor one that has not begun: it stands at its first line."""
    task = thread.call(lambda: thread.keep(asyncio.sleep(0)))
    eventually(task.done, "it has ended")
    assert thread.call(where_it_waits, task) == ""


def test_where_a_thread_runs(thread: LoopThread) -> None:
    """For a loop that is blocked."""
    free = threading.Event()
    thread.call_soon(blocks, free)
    eventually(lambda: "free.wait(20)" in where_it_runs(thread.ident), "it is blocked there")
    free.set()
    assert where_it_runs(0) == ""


def blocks(free: threading.Event) -> None:
    """A call that blocks."""
    free.wait(20)
