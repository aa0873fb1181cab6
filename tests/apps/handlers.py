"""The program's own handlers of SIGTERM and SIGINT, set above serve(): for BELOW in plain.py."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from types import FrameType

from tests.apps.endings import say
from tests.apps.gates import gate

BOTH = (signal.SIGTERM, signal.SIGINT)


def _said(number: int, frame: FrameType | None) -> str:
    where = "on the main thread" if threading.current_thread() is threading.main_thread() else "elsewhere"
    return f"handler of {signal.Signals(number).name} in {os.getpid()} {where}, frame {frame is not None}"


def exits(status: int = 3) -> None:
    """As most do: the first says so, closes a pool, and exits."""

    def on_term(number: int, frame: FrameType | None) -> None:
        say(_said(number, frame))
        sys.exit(status)

    def on_int(number: int, frame: FrameType | None) -> None:
        on_term(number, frame)

    signal.signal(signal.SIGTERM, on_term)
    signal.signal(signal.SIGINT, on_int)


def at_a_gate() -> None:
    """One for both signals, which takes its time."""

    def both(number: int, frame: FrameType | None) -> None:
        say(_said(number, frame))
        gate("handler")

    for number in BOTH:
        signal.signal(number, both)


def raises() -> None:
    """One that fails."""

    def fails(number: int, frame: FrameType | None) -> None:
        raise LookupError("the pool is gone")

    signal.signal(signal.SIGTERM, fails)


def hangs() -> None:
    """One that never ends."""

    def hang(number: int, frame: FrameType | None) -> None:
        say("hanging")
        select.select([], [], [])

    signal.signal(signal.SIGTERM, hang)


def ends_the_process() -> None:
    """One that leaves nothing else to be done."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(5))


def kills_the_process() -> None:
    """One that gives the signal its default back and sends it again, so that the status tells of it."""

    def again(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, again)


def none() -> None:
    """No handler of the program's: SIGTERM is ignored, SIGINT Python's own."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
