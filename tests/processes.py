"""Processes of a test: found in /proc, signalled and ended by pid, also those whose parent has gone.

The test process is a subreaper (PR_SET_CHILD_SUBREAPER, prctl(2)): what the processes it started leave behind
become its children, so nothing can hide from the end of a test, and their exit statuses can be read.
"""

from __future__ import annotations

import ctypes
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from tests.eventually import eventually

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """From now on the orphans among this process's descendants become its children, not those of pid 1."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


@dataclass(frozen=True)
class Process:
    """What /proc/PID/stat says (proc_pid_stat(5))."""

    pid: int
    state: str
    parent: int
    session: int

    @property
    def zombie(self) -> bool:
        """It has ended, and its parent has not read its exit status."""
        return self.state in "ZX"


def look(pid: int) -> Process | None:
    """The process, or None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, parent, _, session = text.rpartition(")")[2].split()[:4]  # the name before it may contain anything
    return Process(pid, state, int(parent), int(session))


def alive(pid: int) -> bool:
    """Whether it runs; a zombie does not, unless it is only its main thread that has ended and others are left."""
    process = look(pid)
    return process is not None and (not process.zombie or len(_threads(pid)) > 1)


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return []


def descendants(pid: int) -> list[Process]:
    """Children, their children and so on, zombies too."""
    everybody = [look(int(name)) for name in os.listdir("/proc") if name.isdigit()]
    found, parents = [], {pid}
    while parents:
        children = [process for process in everybody if process is not None and process.parent in parents]
        found += children
        parents = {process.pid for process in children}
    return found


def has_living_descendants(pid: int) -> bool:
    """Whether any descendant of `pid`, a subreaper that reaps nothing meanwhile, still runs.

    /proc cannot be read at one instant: a look misses a process that is forked during it by a parent that then ends,
    and --daemon does that twice in a row. Two looks in a row that show the same processes, all ended, have missed none:
    one that ran in between was there before the second look began, which would have shown it.
    """
    before = None
    while True:
        found = {process.pid: process.zombie for process in descendants(pid)}
        if not all(found.values()):
            return True
        if found == before:
            return False
        before = found


def descriptors(pid: int) -> dict[int, str]:
    """The open file descriptors of a process and what they lead to."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue  # closed in between
    return dict(sorted(found.items()))


def arguments(pid: int) -> list[str]:
    """The command line of a process as it is in memory now (a title replaces it)."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")


def reap(pid: int) -> int | None:
    """The exit status of a child that has ended, -N for signal N; None if it runs or is no child of ours."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if found else None


class ProcessTree:
    """All processes that came from this one since this object was made."""

    def __init__(self) -> None:
        self._before = {process.pid for process in descendants(os.getpid())}

    def left(self) -> list[Process]:
        """Those that are still there, zombies too."""
        return [process for process in descendants(os.getpid()) if process.pid not in self._before]

    def end(self) -> None:
        """Kills all of them and reads their statuses; orphans made by it become ours, and are killed too."""
        eventually(self._sweep, "processes that cannot be killed")

    def _sweep(self) -> bool:
        left = self.left()
        for process in left:
            if process.zombie:
                reap(process.pid)
            else:
                _kill(process)
        return not left


def _kill(process: Process) -> None:
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        # Once there is a handle it stays this process's, whatever gets the pid; so it is compared now, and not before.
        now = look(process.pid)
        if now is not None and now.session == process.session and not now.zombie:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)
