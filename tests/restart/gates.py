"""Races without luck: programs that wait at a gate until the test opens it, and processes that stand still."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from tests.asking import connect
from tests.eventually import eventually
from tests.harness import Program
from tests.processes import descendants, look


def wait_at(program: Program, name: str) -> None:
    """Wait until one of its processes stands at the gate."""
    program.wait_for(f"at gate {name}\n")


def open_gate(program: Program, name: str) -> None:
    """Let it go on, and every process that comes there later."""
    (program.folder / name).touch()


def child_of(program: Program, pid: int) -> int:
    """The successor of `pid`, also while it has said nothing yet."""
    (child,) = (process.pid for process in descendants(pid) if process.parent == pid and not process.zombie)
    return child


def refused(program: Program) -> bool:
    """Whether no process listens there any more."""
    try:
        connect(program.address).close()
    except ConnectionRefusedError:
        return True
    return False


@contextlib.contextmanager
def standing_still(program: Program, pid: int) -> Iterator[None]:
    """Inside, the process does not run (SIGSTOP), as on a machine that has no time for it."""
    program.send(signal.SIGSTOP, pid)
    eventually(lambda: (process := look(pid)) is not None and process.state == "T", f"{pid} does not stop")
    yield
    os.kill(pid, signal.SIGCONT)
