"""What a generation asks of the code that runs its engine."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection
from typing import Protocol

from hotswap.engine import InFlight
from hotswap.scoreboard import Slot


class Runner(Protocol):
    """Threads in this process (`Single`), or forked workers (`Cluster`). Every method is called on the main thread.

    The order of a life: start, self_connect (if there is a check), open; then retire or drain, and until
    `release_listeners` take_back; stop at the end, always.
    """

    def start(self) -> None:
        """Load and start; nothing is accepted yet. Raises BootError."""

    def open(self) -> None:
        """Accept from the listeners, receive from the exchange."""

    def self_connect(self, key: str) -> socket.socket:
        """A connection that is served as if `key`'s listener had accepted it; before `open`. Raises BootError."""

    def be_lame_duck(self) -> None:
        """Serve on, and say at the health path that no new clients are wanted."""

    def retire(self, takes: Collection[str], *, moves: bool = True) -> None:
        """Send every connection that came in through a listener in `takes` to the processes that receive; drain the
        rest.

        Without `moves` all drain: the process that serves has the listeners, but would read our connections otherwise.
        """

    def drain(self) -> None:
        """No process to hand over to: finish what runs, answer what is on the wire, close."""

    def take_back(self) -> None:
        """The successor is lost: serve again."""

    def release_listeners(self, close: Callable[[], object]) -> None:
        """The listeners go for good: empty those that no other process has, and close copies.

        `close` closes those of the server process. Of all processes the last must be one that has just looked whether a
        connection waits: the kernel resets what waits when the last copy is closed.
        """

    def flush(self) -> None:
        """Try again to send what could not be sent."""

    def handed_over(self) -> bool:
        """Whether what was sent has been received: only then the listeners may be closed."""

    def empty(self) -> bool:
        """Whether nothing is left here to finish or to carry."""

    def shut_down_apps(self) -> bool:
        """All is done, for good: have the applications shut down; whether they have. To be asked again until then."""

    @property
    def connections(self) -> int:
        """How many connections are here, with those on their way out."""

    def hammer(self) -> list[InFlight]:
        """End by force; returns the requests that were cut."""

    def stop(self) -> None:
        """Give everything back; what still runs ends now. Called after a start that failed, too."""

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
        """The server process runs again (SIGCONT)."""
