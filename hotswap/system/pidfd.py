"""Other processes: whether one runs, and how a signal reaches the process that is meant, or none."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable


def signal_process(pid: int, number: signal.Signals, is_meant: Callable[[int], bool]) -> bool:
    """Send `number` to `pid` if `is_meant(pid)`; return False if it is not meant, or has ended. From any thread.

    The pidfd is opened first (pidfd_open(2)) and `is_meant` asked afterwards: the signal goes to the process that the
    pidfd names, so it cannot reach a later process that has got the same pid. Raises PermissionError if this user may
    not send it.
    """
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not is_meant(pid):
            return False
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


def runs(pid: int) -> bool:
    """Return whether process `pid` is there and has not ended; a zombie has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        return not has_ended(pidfd)
    finally:
        os.close(pidfd)


def has_ended(pidfd: int, within_s: float = 0.0) -> bool:
    """Return whether the process of a pidfd has ended, or does so within that many seconds. From any thread."""
    poll = select.poll()  # not select(), which ends at descriptor 1023
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(within_s * 1000))
