"""The event loop of an ASGI engine, on a thread of its own: whatever an application does, the main thread stays alive.

An `async def` may block its loop for seconds, and uvloop on the main thread takes Python's wake-up descriptor away from
the server, which then hears no signal. So the main thread keeps the lifecycle, and calls cross: `call_soon` and
`call_soon_threadsafe` from there to here, `MainLoop.call` (behind `EngineHost.changed`) from here to there.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import os
import select
import threading
import traceback
import weakref
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from hotswap.engine.asgi.loop_factory import LoopFactory
from hotswap.engine.asgi.task_stack import where_it_runs
from hotswap.engine.forked_child import end_forked_child, end_returned_child

if TYPE_CHECKING:
    from hotswap.engine.base import Logger

#: How long another thread waits for the loop to come round to a call (seconds). The main thread waits so, which has
#: signals to act on and heartbeats to give.
CALL_S = 0.5
#: How long cancelled tasks may take to end, and the end of the loop altogether (seconds).
CANCEL_S, STOP_S = 0.5, 1.0
#: How many of the tasks that are cancelled are named.
_NAMED = 10

T = TypeVar("T")
P = ParamSpec("P")


class LoopBusy(Exception):
    """The loop has not come round to a call in time: something blocks it. The call is made when it is free again."""


class LoopThread:
    """One loop and its thread, a daemon. Any thread may call any method, but one begins and ends it: the main thread.

    Args: `factory` makes the loop, in the process that runs it: after the fork. `debug` is asyncio's debug mode, which
    PYTHONASYNCIODEBUG and `python -X dev` switch on too. What no task and no callback has caught goes to `log`.
    """

    def __init__(self, factory: LoopFactory, log: Logger, *, debug: bool = False) -> None:
        self._factory = factory
        self._log = log
        self._debug = debug
        self._stops = False
        #: it has not ended in time: what blocks the loop is not waited for once more
        self._given_up = False
        self._has_come_round = True  # since `hangs_at` was asked
        self._pid = 0
        self._thread: threading.Thread | None = None
        self._kept: set[asyncio.Task[Any]] = set()
        #: made by start()
        self.loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        """Make the loop and run it. Raises RuntimeError for want of threads, OSError for want of descriptors."""
        self._pid = os.getpid()
        self.loop = self._factory()
        if self._debug:
            self.loop.set_debug(True)
        self.loop.set_exception_handler(self._report)
        # A context variable that was set when the application was imported (decimal's context is one) holds here too,
        # as with asyncio.run() on the main thread.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._run,), name="hotswap event loop", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None
            self.loop.close()
            raise
        _started.add(self)

    @property
    def is_here(self) -> bool:
        """Whether the calling thread is the loop's."""
        return threading.current_thread() is self._thread

    @property
    def ident(self) -> int:
        """The thread's identity (threading.get_ident), 0 before it runs."""
        return (self._thread.ident or 0) if self._thread is not None else 0

    def call_soon(self, callback: Callable[..., object], *args: object) -> None:
        """Call it in the loop, and do not wait. Nothing happens once the loop has ended, or if it has not begun."""
        with contextlib.suppress(RuntimeError):
            self._cross(callback, *args)

    def call(self, function: Callable[P, T], *args: P.args, **keywords: P.kwargs) -> T:
        """Call it in the loop, wait at most CALL_S, and return what it returns; on the loop's thread, at once.

        Raises what it raises, LoopBusy if it was not called in time, RuntimeError once the loop has ended, or if it has
        not begun.
        """
        return self.call_within(CALL_S, lambda: function(*args, **keywords))

    def call_within(self, seconds: float, function: Callable[[], T]) -> T:
        """The same with another patience."""
        if self.is_here:
            return function()
        answer: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._cross(self._answer, answer, function)
        return self._wait(answer, seconds)

    def run(self, work: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
        """Run a coroutine to its end as a task, wait at most so long, and return what it returns. Not for the loop's
        own thread.

        Raises what it raises, LoopBusy if it takes longer: it goes on. RuntimeError once the loop has ended.
        """
        answer: concurrent.futures.Future[T] = concurrent.futures.Future()
        # Made there: a coroutine that is never started would warn of it.
        self._cross(lambda: self.keep(self._work(answer, work)))
        return self._wait(answer, seconds)

    def keep(self, work: Coroutine[Any, Any, Any], name: str | None = None) -> asyncio.Task[Any]:
        """A task that is kept until it ends: a loop itself has weak references only. On the loop's thread.

        The application's task factory is not asked: it may fail, and a shutdown must not wait for that.
        """
        task = asyncio.Task(work, loop=self.loop, name=name)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
        return task

    def stop(self, seconds: float = STOP_S) -> bool:
        """End the loop: cancel the tasks that are left, close asynchronous generators, shut the default executor down,
        close. Waits at most so long, and once only; whether that was enough: what blocks the loop may block it still.
        """
        if self._thread is None:
            return True
        self.call_soon(self._stop_here)
        self._thread.join(0.0 if self._given_up else seconds)
        self._given_up = self._thread.is_alive()
        return not self._given_up

    def _cross(self, callback: Callable[..., object], *args: object) -> None:
        if self._thread is None:
            raise RuntimeError("the event loop has not begun")
        self.loop.call_soon_threadsafe(callback, *args)

    def _wait(self, answer: concurrent.futures.Future[T], seconds: float) -> T:
        concurrent.futures.wait([answer], 0.0 if self._given_up else seconds)
        if not answer.done():
            raise LoopBusy(f"the event loop has not answered within {seconds:g} s: something blocks it")
        return answer.result()

    def hangs_at(self) -> str:
        """What the loop's thread carries out if the loop has not come round since this was asked before; "" if it
        has, or has ended."""
        if not self._has_come_round:
            return where_it_runs(self.ident)
        self._has_come_round = False
        self.call_soon(self._come_round)
        return ""

    # on the loop's thread

    def _come_round(self) -> None:
        self._has_come_round = True

    def _answer(self, answer: concurrent.futures.Future[T], function: Callable[[], T]) -> None:
        try:
            answer.set_result(function())
        except BaseException as error:  # noqa: BLE001  the caller gets it
            self._failed(answer, error)

    async def _work(self, answer: concurrent.futures.Future[T], work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        try:
            answer.set_result(await work())
        except BaseException as error:  # noqa: BLE001  the caller gets it
            self._failed(answer, error)

    def _failed(self, answer: concurrent.futures.Future[Any], error: BaseException) -> None:
        self._end_if_forked(error)
        answer.set_exception(error)
        if not isinstance(error, Exception):
            raise error

    def after_fork_in_child(self) -> None:
        """The application has forked in the loop, perhaps. A child that waits there for something, and so goes on in
        it, ends before the loop looks at what both processes poll; other callbacks of this round may come before that.
        """
        if threading.get_ident() == self.ident and not self.loop.is_closed():
            self.loop.call_soon(end_returned_child, self._log)
            self._poll_nothing()

    def _poll_nothing(self) -> None:
        """In a forked child. uvloop polls between two rounds, whatever is to be called in the next one: it would take
        its parent's wake-up out of the eventfd. asyncio calls what it was told of first.
        """
        backend = getattr(self.loop, "_get_backend_id", None)  # uvloop's, which has no public name for it
        if backend is not None:
            with select.epoll() as empty:
                os.dup2(empty.fileno(), backend(), inheritable=False)

    def _end_if_forked(self, error: BaseException) -> None:
        """A child that the application has forked in the loop must not come back to it, not even for the rest of this
        turn: uvloop would take its parent's wake-up out of the eventfd that both have, and the parent waits for ever.
        """
        if os.getpid() != self._pid:
            end_forked_child(error, self._log)

    def _stop_here(self) -> None:
        # Both here: a stop that is still to come would end one of the steps at the end.
        self._stops = True
        self.loop.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            while not self._stops:
                went_well = self._guard(self.loop.run_forever, "the event loop goes on")
                if went_well and not self._stops:
                    self._log.warning("the application has stopped the event loop, which goes on")
            self._end()
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()

    def _guard(self, step: Callable[[], object], words: str) -> bool:
        """What a step lets through is logged, and keeps nothing behind it from being done; False for that.

        A loop lets SystemExit and KeyboardInterrupt through, as asyncio.run() would. Here they end what raised them.
        """
        try:
            step()
        except BaseException as error:  # noqa: BLE001  whatever passes through a loop
            self._end_if_forked(error)
            self._log.exception("%s after %s", words, type(error).__name__)
            return False
        return True

    def _end(self) -> None:
        loop = self.loop
        loop.set_task_factory(None)  # the application's may fail, and each step needs a task
        steps: list[Callable[[], object]] = [
            self._cancel_all,
            lambda: loop.run_until_complete(loop.shutdown_asyncgens()),
            lambda: loop.run_until_complete(loop.shutdown_default_executor()),
        ]
        for step in steps:
            self._guard(step, "the end of the event loop goes on")

    def _cancel_all(self) -> None:
        tasks = [task for task in asyncio.all_tasks(self.loop) if not task.done()]
        if not tasks:
            return
        self._log.info("cancelled at the end, because they were left over: %s", _names(tasks))
        for task in tasks:
            task.cancel()
        done, _ = self.loop.run_until_complete(asyncio.wait(tasks, timeout=CANCEL_S))
        for task in done:
            if not task.cancelled() and task.exception() is not None:
                message = "an exception while a task was cancelled at the end"
                self._report(self.loop, {"message": message, "exception": task.exception(), "task": task})

    def _report(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The loop's exception handler: what was raised where no code waits for it."""
        lines = [str(context.get("message") or "an exception that nothing has caught in the event loop")]
        lines += [f"{key}: {_shown(context[key])}" for key in sorted(context) if key not in ("message", "exception")]
        error = context.get("exception")
        if isinstance(error, BaseException):
            lines += ["".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()]
        self._log.error("%s", "\n".join(lines))


#: Those of this process.
_started: weakref.WeakSet[LoopThread] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for thread in list(_started):
        thread.after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _shown(value: Any) -> str:
    """What debug mode adds are tracebacks: where a task was made."""
    if isinstance(value, traceback.StackSummary):
        return "\n" + "".join(value.format()).rstrip()
    return repr(value)


def _names(tasks: Iterable[asyncio.Task[Any]]) -> str:
    shown = [f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', '?')})" for task in tasks]
    more = len(shown) - _NAMED
    return ", ".join(shown[:_NAMED]) + (f" and {more} more" if more > 0 else "")
