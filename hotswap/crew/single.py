"""Single mode: the engine's threads in this very process."""

from __future__ import annotations

import socket

from hotswap.crew.tied import TiedEngine


class Single(TiedEngine):
    """A crew of one: what a cluster does with its workers, it does itself or has no use for."""

    def knock(self, key: str) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        self.adopt(theirs, key)
        return ours

    def more_workers(self) -> None:
        self._log.info("SIGTTIN: single mode has no workers to add")

    def fewer_workers(self) -> None:
        self._log.info("SIGTTOU: single mode has no workers to remove")

    def reopen_logs(self) -> None:
        """The server has reopened the only log there is."""

    def suspend(self) -> None:
        """The server suspends this very process."""

    def resume(self) -> None:
        """Every thread goes on with the process."""
