"""One server that is measured, and how it is started."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import hotswap
from benchmarks.errors import BenchmarkError
from benchmarks.workloads import WSGI, Workload

HOTSWAP = "hotswap"
"""The distribution; and the peer that stands for hotswap with WSGI."""


@dataclass(frozen=True)
class Peer:
    """A server and its settings."""

    name: str
    distribution: str
    """Its name on PyPI."""
    command: str
    """With {host}, {port}, {address} and {app}; the first word is a program beside this Python."""
    why: str
    """The reason for these settings."""
    maintained: bool = True
    """Whether its requests/s are a mark to reach."""
    usual: bool = True
    """Whether it is measured when no names are given."""
    pair: str = ""
    """The command for two workers; a peer may have one of the two only."""
    interface: str = WSGI
    """How it calls the application."""
    apps: tuple[str, ...] = ()
    """The applications that it can serve, if not all of its interface."""
    side_by_side: bool = True
    """Whether calls run side by side; if not, one that waits for a database makes all the others wait."""
    websockets: bool = True
    """Whether it has them; asked of servers for ASGI."""
    log: str = ""
    """What is added to the command for an access log; a peer without it is not measured with one."""
    needs: str = ""
    """Where there are wheels of it, if not everywhere: elsewhere the usual run goes without it, and says so."""

    @property
    def ours(self) -> bool:
        """Whether it is hotswap."""
        return self.distribution == HOTSWAP

    def serves(self, workload: Workload) -> bool:
        """Whether it is measured with this workload."""
        return (
            self.interface == workload.interface
            and (not self.apps or workload.app in self.apps)
            and bool(self._command(workload))
            and (self.websockets or workload.echo is None)
            and (bool(self.log) or not workload.logged)
        )

    def _command(self, workload: Workload) -> str:
        return self.pair if workload.workers > 1 else self.command

    def arguments(self, address: str, workload: Workload) -> list[str]:
        """What to execute."""
        host, _, port = address.rpartition(":")
        program, *words = self._command(workload).split()
        filled = [word.format(host=host, port=port, address=address, app=workload.app) for word in words]
        return [str(Path(sys.executable).with_name(program)), *filled, *(self.log.split() if workload.logged else ())]

    @property
    def installed(self) -> bool:
        """Whether it is."""
        try:
            return bool(self.version)
        except BenchmarkError:
            return False

    @property
    def version(self) -> str:
        """What is installed.

        Raises:
            BenchmarkError: it is not.
        """
        if self.ours:
            return hotswap.__version__  # the one beside this folder, installed or not
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            text = f"{self.distribution} is not installed: make bench does that; or name others with --peers"
            raise BenchmarkError(text) from None
