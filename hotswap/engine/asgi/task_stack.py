"""Where a task waits, as a traceback: `asyncio.Task.get_stack` has one frame of one that is suspended."""

from __future__ import annotations

import asyncio
import gc
import sys
import traceback
import types
from collections.abc import Iterator
from typing import Any


def where_it_waits(task: asyncio.Task[Any]) -> str:
    """The lines at which a suspended task waits, the innermost last. On the loop's thread."""
    return "".join(traceback.StackSummary.extract(_suspended(task.get_coro())).format()).rstrip()


def where_it_runs(ident: int) -> str:
    """The lines that a thread carries out at this moment, the innermost last; "" if it has ended."""
    frame = sys._current_frames().get(ident)
    return "".join(traceback.format_stack(frame)).rstrip() if frame is not None else ""


def _suspended(awaited: Any) -> Iterator[tuple[types.FrameType, int]]:
    """The frames of a coroutine and of what it awaits, down to the future that nothing runs for."""
    while awaited is not None:
        frame = next((f for name in _FRAMES if isinstance(f := getattr(awaited, name, None), types.FrameType)), None)
        if frame is not None:
            yield frame, frame.f_lineno
        found = next((getattr(awaited, name) for name in _AWAITS if hasattr(awaited, name)), None)
        # `anext(generator)`, as in contextlib.asynccontextmanager, does not tell in which generator it is.
        awaited = found if frame is not None else _generator_behind(awaited)


def _generator_behind(awaited: Any) -> types.AsyncGeneratorType[Any, Any] | None:
    behind = gc.get_referents(awaited) if type(awaited).__name__.startswith("async_generator_") else ()
    return next((each for each in behind if isinstance(each, types.AsyncGeneratorType)), None)


_FRAMES = ("cr_frame", "ag_frame", "gi_frame")
_AWAITS = ("cr_await", "ag_await", "gi_yieldfrom")
