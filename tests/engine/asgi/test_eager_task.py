"""Tasks that begin at once, in both loops."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

from hotswap.engine.asgi.eager_task import EagerTasks
from hotswap.engine.asgi.loop_thread import LoopThread

WORD: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="not set")

Make = Callable[[], Any]


def made_in(thread: LoopThread, work: Make) -> tuple[asyncio.Task[Any], bool]:
    """A task of the loop's for what `work` makes, and whether it was done when `begin` returned."""

    def make() -> tuple[asyncio.Task[Any], bool]:
        tasks = EagerTasks(thread.loop)
        task = tasks.create(work())
        tasks.begin()
        return task, task.done()

    return thread.call(make)


def result_of(thread: LoopThread, task: asyncio.Task[Any]) -> Any:
    """What the task returns, in the end."""

    async def wait() -> Any:
        return await task

    return thread.run(wait, 10.0)


def test_one_that_waits_for_nothing_is_done_at_once(thread: LoopThread) -> None:
    async def work() -> str:
        return "done"

    task, done = made_in(thread, work)
    assert done
    assert result_of(thread, task) == "done"


def test_the_task_is_the_current_one_before_and_after_a_wait(thread: LoopThread) -> None:
    async def work() -> list[Any]:
        before = asyncio.current_task()
        await asyncio.sleep(0)
        return [before, asyncio.current_task()]

    task, done = made_in(thread, work)
    assert not done
    assert result_of(thread, task) == [task, task]
    assert thread.call(asyncio.current_task, thread.loop) is None


def test_it_has_a_context_of_its_own(thread: LoopThread) -> None:
    async def work() -> str:
        seen = WORD.get()
        WORD.set("the task's")
        await asyncio.sleep(0)
        return seen + ", " + WORD.get()

    def make() -> tuple[asyncio.Task[str], str]:
        WORD.set("its maker's")
        tasks = EagerTasks(thread.loop)
        task = tasks.create(work())
        tasks.begin()
        return task, WORD.get()

    task, after = thread.call(lambda: contextvars.copy_context().run(make))
    assert result_of(thread, task) == "its maker's, the task's"
    assert after == "its maker's"


def test_what_it_starts_begins_in_the_next_round(thread: LoopThread) -> None:
    order: list[str] = []

    async def child() -> None:
        order.append("child")

    async def work() -> None:
        asyncio.get_running_loop().call_soon(order.append, "callback")
        task = asyncio.create_task(child())
        order.append("work")
        await task

    task, done = made_in(thread, work)
    assert not done
    result_of(thread, task)
    assert order == ["work", "callback", "child"]


def test_what_it_raises_is_its_own(thread: LoopThread) -> None:
    async def work() -> None:
        raise LookupError("of the task")

    task, done = made_in(thread, work)
    assert done
    assert repr(task.exception()) == "LookupError('of the task')"


def test_the_application_s_task_factory_is_asked(thread: LoopThread) -> None:
    names: list[str] = []

    def factory(loop: Any, work: Any, **more: Any) -> Any:
        names.append(work.__name__)
        loop.call_soon(names.append, "in the next round")
        return asyncio.Task(work, loop=loop, **more)

    async def work() -> str:
        return "done"

    thread.call(thread.loop.set_task_factory, factory)
    task, done = made_in(thread, work)
    assert not done
    assert result_of(thread, task) == "done"
    thread.call(thread.loop.set_task_factory, None)
    assert names[:2] == ["work", "in the next round"]


def test_a_loop_whose_calls_are_watched(thread: LoopThread) -> None:
    """A debugger has put its own in the place of `call_soon`: it is asked, and stays there."""
    asked: list[Any] = []
    real = thread.loop.call_soon

    def watched(callback: Any, *args: Any, **more: Any) -> Any:
        asked.append(callback)
        return real(callback, *args, **more)

    async def work() -> str:
        return "done"

    vars(thread.loop)["call_soon"] = watched
    task, _ = made_in(thread, work)
    assert result_of(thread, task) == "done"
    assert asked
    assert vars(thread.loop).pop("call_soon") is watched


def test_the_loop_is_as_it_was(thread: LoopThread) -> None:
    async def work() -> None:
        pass

    made_in(thread, work)
    assert "call_soon" not in vars(thread.loop)
