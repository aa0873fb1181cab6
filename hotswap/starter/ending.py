"""Ends workers of `hotswap start`: by the signal that they are to drain by, and by force after the drain timeout."""

from __future__ import annotations

import functools
import signal
from collections.abc import Iterable

from hotswap.starter.command_runs import CommandRun, CommandRuns
from hotswap.starter.standard_error import say
from hotswap.system.main_loop import MainLoop


class Ending:
    """`drain_timeout_s`: 0 is no limit."""

    def __init__(self, loop: MainLoop, runs: CommandRuns, drain_timeout_s: float) -> None:
        self._loop = loop
        self._runs = runs
        self._drain_timeout_s = drain_timeout_s

    def end(self, workers: Iterable[CommandRun], number: int) -> None:
        """Signal workers that are to drain; those that are still there after the drain timeout are killed."""
        leaving = sorted(workers, key=lambda worker: worker.pid)
        for worker in leaving:
            worker.signal(number)
        if self._drain_timeout_s > 0:
            self._loop.later(self._drain_timeout_s, functools.partial(self._kill_rest, leaving))

    def _kill_rest(self, leaving: Iterable[CommandRun]) -> None:
        for worker in leaving:
            if self._runs.all().get(worker.pid) is worker:
                say(f"worker {worker.pid} did not end within {self._drain_timeout_s:g} secs, killing it")
                worker.signal(signal.SIGKILL)
