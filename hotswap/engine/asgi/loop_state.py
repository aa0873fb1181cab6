"""What all parts of an ASGI engine share beside its connections; see `engine.connections.state`."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from threading import get_ident
from typing import TYPE_CHECKING

from hotswap.engine.connections.state import EngineState

if TYPE_CHECKING:
    import asyncio

    from hotswap.engine.base import EngineHost
    from hotswap.engine.limits import Limits
    from hotswap.settings.options import EngineOptions


class LoopState(EngineState):
    """The thread that leads is the event loop's, for good. `loop` and `context` are there once it runs."""

    loop: asyncio.AbstractEventLoop
    context: contextvars.Context

    def __init__(self, options: EngineOptions, limits: Limits, host: EngineHost) -> None:
        super().__init__(options, limits, host)
        self.options = options
        self.limit_concurrency = options.asgi.limit_concurrency
        self.is_due = False  # a turn of the loop is due
        self._turn: Callable[[], object] = lambda: None

    def run_here(self, loop: asyncio.AbstractEventLoop, turn: Callable[[], object]) -> None:
        """The calling thread runs `loop` from now on; `turn` looks at everything that is polled, or ready, or due."""
        self.lead_here()
        self.loop = loop
        # Of its own, so that no request's variables are seen by the next one's task, whoever starts it.
        self.context = contextvars.copy_context()
        self._turn = turn

    def soon(self, callback: Callable[[], object]) -> None:
        """Call it in the loop's next round. On the loop's thread."""
        self.loop.call_soon(callback, context=self.context)

    def wake_leader(self) -> None:
        """Let the loop look again at what is ready and at the next deadline; any thread may call."""
        if get_ident() != self.leader:
            self.waker.wake()
        elif not self.is_due:
            self.is_due = True
            self.soon(self._turn)
