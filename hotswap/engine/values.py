"""The values an engine exchanges with the code that runs it: services, connections on the move, requests under way,
figures.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

Environ = dict[str, Any]
Application = Callable[..., Any]  #: what the engine's interface calls so: WSGI's or ASGI's
Peer = tuple[Any, ...] | str


@dataclass(slots=True)
class Service:
    """One application behind one listener. `sock` listens and is non-blocking; None serves adopted connections only.

    `server` is SERVER_NAME and SERVER_PORT (PEP 3333).
    """

    key: str
    sock: socket.socket | None
    app: Application
    server: tuple[str, str]


@dataclass(slots=True, eq=False)
class Moved:
    """A live connection between two processes: its socket, its listener's key, and what was read but not served.

    `fresh`: it does not come from another process, it was accepted just now, and not a word was exchanged.
    """

    sock: socket.socket
    key: str
    peer: Peer = ""
    data: bytes = b""
    proxy: str = ""
    fresh: bool = False


#: Not Implemented, Service Unavailable
_UNAVAILABLE = (501, 503)

#: Takes connections over, or raises and takes none; returns those that it does not take.
Give = Callable[[list[Moved]], list[Moved]]


class InFlight(NamedTuple):
    """A request that is being answered; `started` is `time.monotonic()` seconds."""

    method: str
    path: str
    started: float
    peer: Peer


@dataclass(slots=True)
class Counters:
    """What an engine did since it started, in whole numbers.

    Each thread counts what it does, without a lock: good for a status line, not for accounting.
    """

    connections: int = 0
    in_flight: int = 0  # requests that threads have; those the loop still reads or writes are not counted
    requests: int = 0
    accepted: int = 0
    adopted: int = 0
    handed_over: int = 0
    steals: int = 0
    given_away: int = 0
    queued: int = 0
    refused: int = 0
    # Answers, by what their status says of the application.
    succeeded: int = 0  # 1xx, 2xx
    redirected: int = 0  # 3xx
    client_errors: int = 0  # 4xx
    server_errors: int = 0  # 5xx, but for those that are
    unavailable: int = 0  # 501 and 503: an application may answer so on purpose
    health: int = 0  # answers of the engine's own at the health path, which are in no other figure
    unanswered: int = 0  # requests without a whole answer: the client has gone, or the application talks by itself
    abandoned: int = 0  # requests that were not carried out: their client went while they waited for a thread
    cut: int = 0  # requests that were ended by force

    @property
    def answers(self) -> int:
        """Those that tell how well the application does."""
        return self.succeeded + self.redirected + self.client_errors + self.server_errors

    def answered(self, code: int) -> None:
        """Count an answer with this status."""
        if code < 300:
            self.succeeded += 1
        elif code < 400:
            self.redirected += 1
        elif code < 500:
            self.client_errors += 1
        elif code in _UNAVAILABLE:
            self.unavailable += 1
        else:
            self.server_errors += 1
