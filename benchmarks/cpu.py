"""CPU time of all processes of a server."""

from __future__ import annotations

import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_TRIES = 5
_SESSION, _CHILDREN_USER, _CHILDREN_SYSTEM = 3, 13, 14
"""Places in /proc/PID/stat behind the name; `session`, `cutime` and `cstime` of proc_pid_stat(5)."""


def cpu_seconds(session: int) -> float:
    """CPU seconds, user and system, that the processes of a session used, those that have ended included.

    Each one's own time is exact to the nanosecond, and counts its threads that have ended. What its children used is
    there once it has waited for them, in ticks of 10 ms.

    Raises:
        ProcessLookupError: processes came and went all the time.
    """
    for _ in range(_TRIES):
        before = members(session)
        try:
            total = sum(_own(pid) + children for pid, children in before.items())
        except ProcessLookupError:
            continue
        # A process that ends in between would be counted twice, as itself and as its parent's child, or not at all.
        if members(session) == before:
            return total
    raise ProcessLookupError(f"the processes of session {session} come and go too fast to be measured")


def members(session: int) -> dict[int, float]:
    """The processes of a session, and the CPU seconds of those children that they have waited for."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(name)) and int(fields[_SESSION]) == session:
            ticks = int(fields[_CHILDREN_USER]) + int(fields[_CHILDREN_SYSTEM])
            found[int(name)] = ticks / _TICKS
    return found


def _stat(pid: str) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def _own(pid: int) -> float:
    # The clock that clock_getcpuclockid(3) gives for another process: Python has this for threads only.
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError as error:
        raise ProcessLookupError(pid) from error
