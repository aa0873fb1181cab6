"""Tasks whose first step runs before their maker goes on, as Python 3.12's eager tasks do: on every Python and loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_Step = Callable[[], object]


class EagerTasks:
    """Makes tasks for one loop. On the loop's thread, in no task.

    A task asks its loop's `call_soon` for its first step when it is made (asyncio and uvloop make the same tasks, and
    have no other way). For that moment this stands in the place of `call_soon`, and keeps what is asked. Where another
    program's stands there, a debugger's perhaps, or the application has a task factory, the step comes by the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop: Any = loop
        self._asked: list[tuple[_Step, contextvars.Context | None]] = []

    def create(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Return a task whose first step `begin` runs, in a copy of the caller's context."""
        loop = self._loop
        if "call_soon" in vars(loop) or loop.get_task_factory() is not None:
            made: asyncio.Task[T] = loop.create_task(work)
            return made
        loop.call_soon = self._keep
        try:
            made = loop.create_task(work)
        finally:
            del loop.call_soon
        return made

    def begin(self) -> None:
        """Run the first steps of those that were made. What the loop would have let through is let through."""
        while self._asked:
            step, context = self._asked.pop()
            if context is None:
                step()
            else:
                context.run(step)

    def _keep(self, step: _Step, *, context: contextvars.Context | None = None) -> None:
        self._asked.append((step, context))
