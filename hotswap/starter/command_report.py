"""What `hotswap start` tells others: scripts by the status file, systemd on its notify socket."""

from __future__ import annotations

import contextlib

from hotswap.starter import status_file
from hotswap.starter.command_runs import CommandRun, CommandRuns
from hotswap.system.sd_notify import Notifier


class CommandReport:
    """`path`: of the status file, "" for none. No method raises."""

    def __init__(self, path: str, notifier: Notifier | None, runs: CommandRuns) -> None:
        self._path = path
        self._notifier = notifier
        self._runs = runs

    def clear(self) -> None:
        """There is no server: also when one that was killed has left its file behind."""
        if self._path:
            status_file.remove(self._path)

    def runs_changed(self) -> None:
        """A worker serves, or one that did has ended."""
        if self._path:
            with contextlib.suppress(OSError):
                status_file.write(self._path, self._runs.accepted())

    def serves(self, worker: CommandRun) -> None:
        """Its start has succeeded."""
        if self._path:
            status_file.clear_failure(self._path)
        self.runs_changed()
        if self._notifier is not None:
            self._notifier.ready(status=f"worker {worker.pid} of generation {worker.generation} serves")

    def failed(self, generation: int, why: str) -> None:
        """The worker of this generation could not be started."""
        if self._path:
            with contextlib.suppress(OSError):
                status_file.write_failure(self._path, generation, why)
        if self._notifier is not None and self._runs.current is not None:
            self._notifier.ready(status=f"generation {self._runs.current.generation} serves on: {why}")

    def reloading(self) -> None:
        """A restart was asked for."""
        if self._notifier is not None:
            self._notifier.reloading()

    def stopping(self) -> None:
        """The server is to stop."""
        if self._notifier is not None:
            self._notifier.stopping()
