"""`loop.add_signal_handler` beside the main thread: the main thread receives signals, and the server acts on them.

asyncio and uvloop take signals only in a loop on the main thread. There the server's own main loop runs, so a loop of
ours passes on what that has received, as `hotswap.on_signal` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hotswap.callbacks import CALLBACKS

#: The signals that a server handles (hotswap.system.signals.HANDLED), and so can pass on.
PASSED_ON = frozenset(
    (
        signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU,
        signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGURG,
    )
)  # fmt: skip

if TYPE_CHECKING:
    _Loop = asyncio.AbstractEventLoop
else:
    _Loop = object  # stands in front of a loop's class

Tell = Callable[[], None]


class LoopSignals(_Loop):
    """Has the two methods of a loop class that comes behind it. They keep asyncio's contract, but for two things: the
    server acts on the signal all the same, after the callback was told, and the callback is told too when a forked
    worker is to leave (SIGTERM), which hears of that by other means.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._told: dict[signal.Signals, Tell] = {}

    def add_signal_handler(  # type: ignore[override]  # asyncio's has type variables that Python 3.10 has not
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        """Call `callback(*args)` in the loop when the signal comes, in the place of the one before.

        Thread: any. Raises TypeError for a coroutine, ValueError for a number that is no signal's, RuntimeError for a
        signal that the server does not handle.
        """
        if inspect.iscoroutinefunction(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        number = signal.Signals(sig)
        if number not in PASSED_ON:
            raise RuntimeError(
                f"{number.name} cannot be passed on to the event loop, which runs beside the main thread: "
                "call signal.signal() when the module is imported"
            )
        self.remove_signal_handler(number)
        context = contextvars.copy_context()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed in between
                self.call_soon_threadsafe(callback, *args, context=context)

        self._told[number] = tell
        CALLBACKS.add_for_loop(number, tell)

    def remove_signal_handler(self, sig: int) -> bool:
        """Whether there was one; it is told nothing any more. Thread: any. Raises ValueError as above."""
        number = signal.Signals(sig)
        tell = self._told.pop(number, None)
        if tell is not None:
            CALLBACKS.remove_for_loop(number, tell)
        return tell is not None

    def close(self) -> None:
        """Close the loop, which is told of no signal any more."""
        for number in list(self._told):
            self.remove_signal_handler(number)
        super().close()
