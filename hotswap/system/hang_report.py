"""Tells where a boot hangs: faulthandler writes the stacks of all threads before the boot's time is up.

faulthandler's watchdog is a thread, and a fork does not copy it. A child that the application forks meanwhile would
wait for that thread when its interpreter ends, for ever (Modules/faulthandler.c, `cancel_dump_traceback_later`): so the
watchdog is stopped before each fork, and goes on in the parent.
"""

from __future__ import annotations

import faulthandler
import os
import time

#: The shortest time that faulthandler is given (seconds); it takes no 0.
_AT_ONCE = 0.05

#: When, as time.monotonic(), and to which descriptor; None if nothing is watched.
_watched: tuple[float, int] | None = None


def watch(seconds: float, fd: int) -> None:
    """Have faulthandler write the stack of every thread to `fd`, `seconds` from now, unless `stop` is called before."""
    global _watched
    _watched = time.monotonic() + seconds, fd
    faulthandler.dump_traceback_later(max(seconds, _AT_ONCE), exit=False, file=fd)


def stop() -> None:
    """End the watch: no stack is written any more. May be called at any time, also without a watch."""
    global _watched
    _watched = None
    faulthandler.cancel_dump_traceback_later()


def _before_fork() -> None:
    if _watched is not None:
        faulthandler.cancel_dump_traceback_later()


def _after_fork_in_parent() -> None:
    # If no time is left, the stacks have been written already.
    if _watched is not None and (left := _watched[0] - time.monotonic()) > 0:
        faulthandler.dump_traceback_later(max(left, _AT_ONCE), exit=False, file=_watched[1])


def _after_fork_in_child() -> None:
    global _watched
    _watched = None


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
