"""What the server process asks of whoever runs the engine."""

from __future__ import annotations

import socket
from collections.abc import Collection
from typing import Protocol

from hotswap.engine import InFlight
from hotswap.system.scoreboard import Slot


class Crew(Protocol):
    """Threads in this process (`Single`) or forked workers (`Cluster`); every method is called on the main thread."""

    def start(self) -> None:
        """Load and start; nothing is accepted yet. Raises BootError."""

    def open(self) -> None:
        """Accept from the listeners, receive from the exchange."""

    def knock(self, key: str) -> socket.socket:
        """A connection that is served as if `key`'s listener had accepted it; before `open`. Raises BootError."""

    def retire(self, takes: Collection[str], *, moves: bool = True) -> None:
        """Send every connection that came in through a listener in `takes` to whoever serves; the rest drains.

        All of them do without `moves`: whoever serves has the listeners, and would read our connections otherwise.
        """

    def drain(self) -> None:
        """Nobody to hand over to: finish what runs, answer what is on the wire, close."""

    def take_back(self) -> None:
        """The successor is lost: serve again."""

    def release_listeners(self) -> None:
        """The listeners are about to be closed for good: empty those that nobody else has, close copies of them."""

    def flush(self) -> None:
        """Try again what could not be handed over."""

    def handed_over(self) -> bool:
        """Whether what was sent has been received: only then the listeners may go."""

    def empty(self) -> bool:
        """Whether nothing is left here to finish or to carry."""

    @property
    def connections(self) -> int:
        """How many connections are here, with those on their way out."""

    def hammer(self) -> list[InFlight]:
        """End by force; returns the requests that were cut."""

    def stop(self) -> None:
        """Give everything back; whatever still runs ends now. To be called also after a start that failed."""

    def report(self, slot: Slot) -> None:
        """Bring the counters in the server process's slot of the scoreboard up to date."""

    def more_workers(self) -> None:
        """One worker more (SIGTTIN)."""

    def fewer_workers(self) -> None:
        """One worker fewer (SIGTTOU)."""

    def reopen_logs(self) -> None:
        """Log files have been moved away (SIGUSR1)."""

    def suspend(self) -> None:
        """The server process is about to stop itself (SIGTSTP)."""

    def resume(self) -> None:
        """It runs again (SIGCONT)."""
