"""The limit on open descriptors: a server raises it once, at start, and asks for it before it receives connections.

At the limit `recvmsg` succeeds and the kernel drops the descriptors that have no number: a connection is destroyed, not
refused.
"""

from __future__ import annotations

import os
import resource
from typing import Final

RESERVE: Final = 32

# Not the billion that some containers have as hard limit: child processes inherit the limit, and those that close every
# possible descriptor before they exec a program would take minutes.
_ENOUGH: Final = 1 << 20


def raise_nofile_limit() -> int:
    """Raise the soft RLIMIT_NOFILE to the hard one (at most 1,048,576); return the soft limit that holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft if soft != resource.RLIM_INFINITY else _ENOUGH
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # the hard limit exceeds fs.nr_open, or a sandbox forbids the call
        return soft
    return wanted


def nofile_limit() -> int:
    """Return how many descriptors this process may have open at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else _ENOUGH


def reserve_fds(n: int = RESERVE) -> int:
    """Return how many descriptors this process may still open if `n` are to stay free, at least 0. About 3 µs."""
    return max(0, nofile_limit() - _open_descriptors() - n)


def _open_descriptors() -> int:
    try:
        # Since Linux 6.2 the directory's size is its number of entries, before that 0 (proc_pid_fd(5)).
        return os.stat("/proc/self/fd").st_size or len(os.listdir("/proc/self/fd"))
    except OSError:  # without /proc, all numbers are taken to be free: MSG_CTRUNC tells the receiver when they were not
        return 0
