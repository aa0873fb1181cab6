"""The program's own handlers of SIGTERM and SIGINT: a queue stands in their place, and they are called at the end.

At once they would break what runs: the usual one closes a pool and exits. So each waits until the last request is done.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, Protocol

Handler = Callable[[int, FrameType | None], Any]

#: The signals whose handlers are called.
ENDING = (signal.SIGTERM, signal.SIGINT)
#: How long a handler may take at least, also with a graceful_timeout of 0, which is about requests (seconds).
LEAST_S = 1.0
#: These end a handler that hangs.
_CUTS = (signal.SIGINT, signal.SIGQUIT)


class _Log(Protocol):
    """Ours, or gunicorn's."""

    def warning(self, message: str, /, *args: object) -> None: ...
    def exception(self, message: str, /, *args: object) -> None: ...


class ProgramHandlers:
    """Calls, on the main thread, those of the handlers `found` that are the program's. `log` is told what goes wrong.

    Not the program's are SIG_DFL, SIG_IGN, Python's own for SIGINT, and one that Python has not installed (None).
    """

    def __init__(self, found: Mapping[signal.Signals, object], log: _Log) -> None:
        self._handlers: dict[signal.Signals, Handler] = {
            number: handler
            for number, handler in found.items()
            if callable(handler) and handler is not signal.default_int_handler
        }
        self._log = log

    def announce(self) -> None:
        """Say when they will be called, if there are any: one who wrote such a handler expects it at the signal."""
        if self._handlers:
            each = ", ".join(f"{number.name} ({_name(handler)})" for number, handler in self._handlers.items())
            self._log.warning(
                "the program's own handler of %s is called once, when the last request is done; what must know earlier "
                'is for hotswap.on("draining"), and at a restart hotswap.on("retiring")',
                each,
            )

    def call(self, came: Collection[signal.Signals], limit_s: float | None) -> None:
        """Call the handlers of the signals that `came`, or that of SIGTERM if none did; one of two signals once.

        SystemExit ends the handler alone. After `limit_s` seconds (None is no limit), and at SIGINT and SIGQUIT, it is
        cut by a KeyboardInterrupt. Other signals that come meanwhile are for the caller's queue.
        """
        called: list[Handler] = []
        for number in [number for number in self._handlers if number in came] or [signal.SIGTERM]:
            handler = self._handlers.get(number)
            if handler is not None and handler not in called:
                called.append(handler)
                self._call(number, handler, limit_s)

    def _call(self, number: signal.Signals, handler: Handler, limit_s: float | None) -> None:
        over = False
        try:
            with cut_after(limit_s):
                handler(number, sys._getframe())
                over = True
        except SystemExit:
            pass
        except KeyboardInterrupt:
            if not over:
                self._log.warning("the program's handler of %s (%s) was interrupted", number.name, _name(handler))
        except Exception:  # noqa: BLE001  the program's code: serve() returns all the same
            self._log.exception("the program's handler of %s (%s) failed", number.name, _name(handler))


@contextlib.contextmanager
def cut_after(
    limit_s: float | None,
    cuts: Sequence[signal.Signals] = _CUTS,
    hear: Callable[[int], object] = lambda number: None,
) -> Iterator[None]:
    """Inside, KeyboardInterrupt is raised after so long (None is no limit), and at the signals `cuts`, of which `hear`
    is told. On the main thread."""
    limit_is_over = threading.Event()

    def cut(number: int, frame: FrameType | None) -> None:
        if not limit_is_over.is_set():
            hear(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, cut) for number in dict.fromkeys((*cuts, signal.SIGINT))}
    limit = _interrupt_after(max(limit_s, LEAST_S), limit_is_over) if limit_s is not None else None
    try:
        yield
    finally:
        try:
            if limit is not None:
                limit.cancel()
                # Its SIGINT must not come later, when the program's own handlers are back.
                limit.join()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _interrupt_after(seconds: float, over: threading.Event) -> threading.Timer:
    """By a signal to this thread, because nothing else ends a system call that it waits in."""
    main = threading.get_ident()

    def interrupt() -> None:
        over.set()
        signal.pthread_kill(main, signal.SIGINT)

    timer = threading.Timer(seconds, interrupt)
    timer.name, timer.daemon = "hotswap-limit", True
    timer.start()
    return timer


def _name(handler: Handler) -> str:
    return str(getattr(handler, "__qualname__", handler))
