"""The signal that a forked process gets when its parent ends: prctl(2), PR_SET_PDEATHSIG.

Called in the child, after the fork. The kernel forgets the setting when the process changes its user, and when it
executes a program.
"""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Have SIGKILL end this process when its parent ends; see `end_with_parent`.

    A worker that hangs in an import when its parent is killed would keep the listeners open, and answer no client.
    """
    end_with_parent(signal.SIGKILL, parent)


def end_with_parent(number: signal.Signals, parent: int) -> None:
    """Have the kernel send this process the signal `number` when its parent ends. If `parent` (a pid) is not its parent
    any more, for it has ended before the kernel was asked, end it at once."""
    signal_at_parents_end(number)
    if os.getppid() != parent:
        os._exit(1)


def signal_at_parents_end(number: signal.Signals) -> None:
    """Have the kernel send this process the signal `number` when its parent ends; also if it executes a program. The
    caller has to look afterwards whether the parent has ended before."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def outlive_parent() -> None:
    """Have the kernel send no signal: from now on this process has to notice by itself that its parent has ended."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)
