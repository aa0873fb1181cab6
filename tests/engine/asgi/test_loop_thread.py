"""The event loop on a thread of its own: calls cross in a bounded time, and what an application does ends no loop."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hotswap.engine.asgi.loop_factory import AsyncioLoop, loop_factory
from hotswap.engine.asgi.loop_thread import CALL_S, LoopBusy, LoopThread
from hotswap.errors import BootError
from tests.engine.engine_server import DEADLINE, Log
from tests.eventually import eventually
from tests.live import starts_processes

WORD: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="not set")


def test_which_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` is uvloop where it is installed; without it, only who asks for it by name is told."""
    assert loop_factory("asyncio") is AsyncioLoop
    assert loop_factory("auto").__name__ == loop_factory("uvloop").__name__ == "UvloopLoop"
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop_factory("auto") is AsyncioLoop
    with pytest.raises(BootError, match=r"pip install 'hotswap\[uvloop\]', or leave it out"):
        loop_factory("uvloop")


def test_a_call_crosses(thread: LoopThread) -> None:
    """It runs in the loop, and brings back what is returned or raised."""

    def here(word: str) -> tuple[str, bool, bool]:
        return word, thread.is_here, asyncio.get_running_loop() is thread.loop

    assert not thread.is_here
    assert thread.call(here, "x") == ("x", True, True)
    assert thread.call(lambda: thread.call(here, "nested")) == ("nested", True, True)
    with pytest.raises(ZeroDivisionError):
        thread.call(lambda: 1 // 0)


def test_a_coroutine_crosses(thread: LoopThread) -> None:
    """It is a task, which is kept, and brings back what is returned or raised."""

    async def work() -> str:
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return task.get_name()

    async def fail() -> None:
        raise LookupError("no")

    assert thread.run(work, 5.0).startswith("Task-")
    with pytest.raises(LookupError, match="no"):
        thread.run(fail, 5.0)


def test_a_loop_that_is_blocked_holds_a_caller_up_for_a_moment_only(thread: LoopThread) -> None:
    """And the call is made when the loop is free."""
    free, called = threading.Event(), threading.Event()
    thread.call_soon(free.wait, 20)
    began = time.monotonic()
    with pytest.raises(LoopBusy, match="something blocks it"):
        thread.call(called.set)
    assert CALL_S <= time.monotonic() - began < CALL_S + 5
    assert not called.is_set()
    free.set()
    assert called.wait(10)


def test_a_loop_that_is_blocked_holds_the_end_up_for_a_moment_only(log: Log) -> None:
    """It is left, a daemon."""
    free = threading.Event()
    thread = LoopThread(AsyncioLoop, log)
    thread.start()
    thread.call_soon(free.wait, 20)
    assert not thread.stop(0.05)
    began = time.monotonic()
    assert not thread.stop(1000)
    with pytest.raises(LoopBusy):
        thread.call_within(1000, free.is_set)
    assert time.monotonic() - began < 10
    free.set()
    eventually(thread.stop, "it ends when nothing blocks it")


def test_what_passes_through_a_loop_does_not_end_it(thread: LoopThread, log: Log) -> None:
    """`sys.exit()` in a callback or in a task ends that one, and so does a stop that is not ours."""
    thread.call_soon(sys.exit, 3)

    async def leave() -> None:
        sys.exit(4)

    with pytest.raises(SystemExit):
        thread.run(leave, 5.0)
    thread.call_soon(thread.loop.stop)
    assert thread.call(lambda: "it runs") == "it runs"
    eventually(lambda: log.said("warning"), "the stop is logged")
    assert log.said("warning") == ["the application has stopped the event loop, which goes on"]
    assert len([text for text in log.said("exception") if "goes on after SystemExit" in text]) == 2


def test_what_no_code_catches_is_logged(thread: LoopThread, log: Log) -> None:
    """In our log, with its traceback."""
    thread.call_soon(lambda: 1 // 0)
    eventually(lambda: log.said("error"), "it is logged")
    (text,) = log.said("error")
    assert "Exception in callback" in text
    assert "ZeroDivisionError" in text
    thread.call(lambda: thread.loop.call_exception_handler({}))
    assert log.said("error")[1].startswith("an exception that nothing has caught")


def test_debug_mode(log: Log) -> None:
    """Says more of what it reports: where it was made."""
    thread = LoopThread(AsyncioLoop, log, debug=True)
    thread.start()
    assert thread.call(thread.loop.get_debug)
    thread.call(lambda: thread.loop.call_soon(lambda: 1 // 0))
    eventually(lambda: log.said("error"), "it is logged")
    assert "source_traceback: \n" in log.said("error")[0]
    assert thread.stop(5)


def test_context_variables_of_the_import_hold_in_the_loop(log: Log) -> None:
    """As with asyncio.run() on the main thread; decimal's context is one."""
    token = WORD.set("set at import")
    try:
        thread = LoopThread(AsyncioLoop, log)
        thread.start()
        assert thread.call(WORD.get) == "set at import"
        assert thread.stop(5)
    finally:
        WORD.reset(token)


def test_libraries_see_the_loop_that_they_know(thread: LoopThread) -> None:
    """sniffio, anyio with its threads and task groups, and the default executor."""
    import anyio
    import sniffio

    async def work() -> list[object]:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0)
        here = threading.get_ident()
        return [
            sniffio.current_async_library(),
            await anyio.to_thread.run_sync(threading.get_ident) != here,
            await asyncio.get_running_loop().run_in_executor(None, threading.get_ident) != here,
            asyncio.get_event_loop() is thread.loop,
        ]

    assert thread.run(work, 10.0) == ["asyncio", True, True, True]


@starts_processes
def test_processes_can_be_started(thread: LoopThread) -> None:
    """asyncio's subprocesses, whose end it learns beside the main thread."""

    async def work() -> tuple[bytes, int | None]:
        process = await asyncio.create_subprocess_exec("echo", "hi", stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        return out, process.returncode

    assert thread.run(work, 20.0) == (b"hi\n", 0)


def test_the_end_tidies_up(thread: LoopThread, log: Log) -> None:
    """Tasks are cancelled by name, asynchronous generators closed, the default executor's threads ended."""
    seen: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            seen.append("generator closed")

    generator = numbers()

    async def waits() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            seen.append("cancelled")

    async def fails() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            raise LookupError("in the finally")

    async def stays() -> None:
        while "generator closed" not in seen:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                seen.append("goes on")

    async def begin() -> None:
        await generator.__anext__()
        for work in (waits(), fails(), stays()):
            thread.keep(work, name=getattr(work, "__name__", ""))
        await asyncio.get_running_loop().run_in_executor(None, lambda: seen.append(threading.current_thread().name))

    thread.run(begin, 5.0)
    (worker,) = [each for each in threading.enumerate() if each.name == seen[0]]
    assert thread.stop(10)
    assert {"cancelled", "goes on", "generator closed"} <= set(seen)
    assert not worker.is_alive()
    assert thread.loop.is_closed()
    (named,) = [text for text in log.said("info") if text.startswith("cancelled at the end")]
    assert all(f"{name} (" in named for name in ("waits", "fails", "stays"))
    assert any("in the finally" in text for text in log.said("error"))
    with pytest.raises(RuntimeError, match="closed"):
        thread.call(lambda: None)
    thread.call_soon(lambda: None)


def test_a_task_factory_that_fails_keeps_nothing_of_ours_from_being_done(thread: LoopThread, log: Log) -> None:
    """It is the application's: coroutines cross, tasks are kept, and the end cancels what is left."""
    seen: list[str] = []

    def fails(*_: Any, **__: Any) -> Any:
        raise LookupError("no task")

    async def waits() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            seen.append("cancelled")

    async def begin() -> None:
        thread.keep(waits())
        await asyncio.sleep(0)

    thread.call(thread.loop.set_task_factory, fails)
    thread.run(begin, 5.0)
    assert thread.stop(10)
    assert seen == ["cancelled"]
    assert log.said("exception") == log.said("error") == []


def test_many_tasks_are_counted(log: Log) -> None:
    """Ten of them are named."""
    thread = LoopThread(AsyncioLoop, log)
    thread.start()
    thread.call(lambda: [thread.keep(asyncio.sleep(1000)) for _ in range(13)])
    assert thread.stop(5)
    assert log.said("info")[0].endswith(" and 3 more")


@starts_processes
@pytest.mark.parametrize(("how", "status"), [(SystemExit(0), 0), (SystemExit(7), 7), (LookupError("no"), 1)])
def test_a_child_of_a_handler_does_not_take_the_loop_along(
    thread: LoopThread, log: Log, how: BaseException, status: int
) -> None:
    """It ends where it would come back to our frames, and its parent's loop hears of the next call as ever."""

    def fork() -> int:
        pid = os.fork()
        if pid == 0:
            raise how
        return pid

    async def fork_in_a_task() -> int:
        return fork()

    for pid in (thread.call(fork), thread.run(fork_in_a_task, 5.0)):
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status
        assert thread.call(lambda: "still here") == "still here"


def test_where_it_hangs(thread: LoopThread) -> None:
    """Nowhere, as long as it comes round between two questions."""
    for _ in range(3):
        assert thread.hangs_at() == ""
        thread.call(lambda: None)
    begun, go_on = threading.Event(), threading.Event()

    def holds_it_up() -> None:
        begun.set()
        go_on.wait(DEADLINE)

    thread.call_soon(holds_it_up)
    assert begun.wait(DEADLINE)
    assert thread.hangs_at() == ""  # it is asked now
    assert "in holds_it_up" in thread.hangs_at()
    go_on.set()
    thread.call(lambda: None)
    assert thread.hangs_at() == ""


def test_before_the_start() -> None:
    """There is nothing to end."""
    thread = LoopThread(AsyncioLoop, Log())
    assert thread.ident == 0
    assert thread.stop()
