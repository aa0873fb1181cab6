"""Makes event loops: asyncio's, or uvloop's where it is installed and not refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hotswap.engine.asgi.loop_signals import LoopSignals
from hotswap.errors import BootError

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class AsyncioLoop(LoopSignals, asyncio.SelectorEventLoop):  # type: ignore[misc]  # as in LoopSignals
    """asyncio's loop."""


def loop_factory(choice: str) -> LoopFactory:
    """Return what makes the loops that `asgi_loop` asks for: auto, asyncio or uvloop. Raises BootError without uvloop
    where it was asked for."""
    if choice == "asyncio":
        return AsyncioLoop
    try:
        import uvloop
    except ImportError as error:
        if choice == "auto":
            return AsyncioLoop
        raise BootError(
            f"asgi_loop = 'uvloop': it cannot be imported ({error}): pip install 'hotswap[uvloop]', or leave it out"
        ) from None

    # Made so, because to mypy uvloop's loop is none of asyncio's.
    made: LoopFactory = type("UvloopLoop", (LoopSignals, uvloop.Loop), {"__doc__": "uvloop's loop."})
    return made
