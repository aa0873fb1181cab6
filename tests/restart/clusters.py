"""A cluster as its processes: which are workers, and whose."""

from __future__ import annotations

import os

from tests.eventually import DEADLINE, eventually
from tests.harness import Program
from tests.processes import arguments, descendants


def workers(program: Program, server: int | None = None) -> list[int]:
    """The pids of the workers that a server process has, by default the one that serves."""
    pid = program.serving_pid if server is None else server
    children = [process for process in descendants(pid) if process.parent == pid and not process.zombie]
    return sorted(process.pid for process in children if "] worker " in _title(process.pid))


def _title(pid: int) -> str:
    try:
        return " ".join(arguments(pid))
    except (FileNotFoundError, ProcessLookupError):
        return ""


def serving(program: Program) -> set[int]:
    """Those of them that say that they serve."""
    return {pid for pid in workers(program) if "[serving] worker" in _title(pid)}


def wait_workers(program: Program, number: int, *, without: tuple[int, ...] = ()) -> list[int]:
    """Waits until so many workers serve, none of them among `without`."""

    def all_serve() -> list[int] | None:
        found = workers(program)
        return found if len(found) == len(serving(program)) == number and not set(found) & set(without) else None

    return eventually(all_serve, f"not {number} workers")


def settle(program: Program, *, deadline: float = DEADLINE) -> int:
    """Waits until only the generation that serves is left, with its workers; gives the server's pid."""

    def only_one() -> bool:
        pid = program.serving_pid
        left = {process.pid for process in descendants(os.getpid()) if not process.zombie}
        return left == {pid, *workers(program, pid)}

    eventually(only_one, "older generations have not left", deadline=deadline)
    return program.serving_pid
