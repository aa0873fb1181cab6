"""kill -9, or another process's turn, at every line of some code: for what must hold wherever it comes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

#: Where every line counts.
INSIDE = ("/hotswap/system/", "/hotswap/scoreboard/", "/hotswap/handover/")


def killed_at(line: int, scenario: Callable[[], object]) -> bool:
    """Run `scenario` in a forked child that kills itself before the `line`th line it runs in the folders INSIDE.

    False if it got through. For a process without threads, such as an `OtherProcess`.
    """
    child = os.fork()
    if not child:
        with interrupted_at(line, lambda: os.kill(os.getpid(), signal.SIGKILL)):
            scenario()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
    return bool(status)


@contextlib.contextmanager
def interrupted_at(line: int, interrupt: Callable[[], object]) -> Iterator[Countdown]:
    """Call `interrupt` before the `line`th line that the block runs in the folders INSIDE; see `left`."""
    countdown = Countdown(line, interrupt)
    sys.settrace(countdown)
    try:
        yield countdown
    finally:
        sys.settrace(None)


class Countdown:
    """A trace function (sys.settrace) that does something once, at a line."""

    def __init__(self, left: int, action: Callable[[], object]) -> None:
        self.left = left
        self._action = action

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Countdown | None:
        if not any(folder in frame.f_code.co_filename for folder in INSIDE):
            return None
        if event == "line":
            self.left -= 1
            if not self.left:
                sys.settrace(None)
                self._action()
        return self
