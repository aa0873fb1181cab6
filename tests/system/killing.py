"""kill -9 at every line of some code, one after the other: for what must hold wherever a process dies."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def killed_at(line: int, scenario: Callable[[], object]) -> bool:
    """Run `scenario` in a forked child that kills itself before the `line`th line it runs in hotswap/system.

    False if it got through. For a process without threads, such as a `Puppet`.
    """
    child = os.fork()
    if not child:
        sys.settrace(_Countdown(line))
        scenario()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
    return bool(status)


class _Countdown:
    """A trace function (sys.settrace) that ends its process at a line."""

    def __init__(self, left: int) -> None:
        self._left = left

    def __call__(self, frame: FrameType, event: str, argument: Any) -> _Countdown | None:
        if "/hotswap/system/" not in frame.f_code.co_filename:
            return None
        self._left -= event == "line"
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)
        return self
