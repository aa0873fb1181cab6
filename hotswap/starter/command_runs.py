"""The runs of the command of `hotswap start`: the one that begins, the one that serves, and those before it."""

from __future__ import annotations

import contextlib
import os
import time

from hotswap.starter.starter_state import Kept


class CommandRun:
    """One run of the command, a worker in Server::Starter's words. `kept`: what a hotswap program shares with the next
    one. `began`: time.monotonic()."""

    def __init__(self, pid: int, generation: int) -> None:
        self.pid = pid
        self.generation = generation
        self.began = time.monotonic()
        self.kept = Kept()

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still there. A child that was not reaped yet keeps its pid, so no other process
        can get it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


class CommandRuns:
    """Those that have not ended. `old` are told to leave, or will be; by pid."""

    def __init__(self) -> None:
        self.starting: CommandRun | None = None
        self.current: CommandRun | None = None
        self.old: dict[int, CommandRun] = {}

    def all(self) -> dict[int, CommandRun]:
        """All of them, by pid."""
        young = [worker for worker in (self.starting, self.current) if worker is not None]
        return {**self.old, **{worker.pid: worker for worker in young}}

    def of_generation(self, number: int) -> CommandRun | None:
        """The one of this generation number."""
        return next((each for each in self.all().values() if each.generation == number), None)

    def accept(self, worker: CommandRun) -> None:
        """It serves; the one that has served is an old one."""
        self.starting = None
        if self.current is not None:
            self.old[self.current.pid] = self.current
        self.current = worker

    def remove(self, pid: int) -> None:
        """It has ended."""
        self.starting = None if self.starting is not None and self.starting.pid == pid else self.starting
        self.current = None if self.current is not None and self.current.pid == pid else self.current
        self.old.pop(pid, None)

    def accepted(self) -> dict[int, int]:
        """Generation to pid of those that serve or have served."""
        accepted = [*self.old.values(), *([self.current] if self.current is not None else [])]
        return {worker.generation: worker.pid for worker in accepted}
