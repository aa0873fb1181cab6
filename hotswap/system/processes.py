"""Signals to other processes that go to whom they are meant for, or to nobody."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def signal_process(pid: int, number: signal.Signals, is_meant: Callable[[int], bool]) -> bool:
    """Send `number` to `pid` if `is_meant(pid)`; False if it is not, or is gone.

    The pidfd is opened first (pidfd_open(2)) and the question asked afterwards: whoever it names then cannot become
    somebody else before the signal is sent.
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
