"""The values the engine exchanges with whoever runs it: services, connections on the move, requests under
way, figures.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Peer = tuple[Any, ...] | str


class Sock(Protocol):
    """The part of a non-blocking socket that the engine uses; with TLS it is no `socket.socket`."""

    def fileno(self) -> int: ...
    def recv(self, size: int, /) -> bytes: ...
    def send(self, data: bytes | memoryview, /) -> int: ...
    def sendmsg(self, parts: tuple[bytes, ...], /) -> int: ...
    def shutdown(self, how: int, /) -> None: ...
    def setblocking(self, flag: bool, /) -> None: ...
    def close(self) -> None: ...


class Log(Protocol):
    """The part of gunicorn's `Logger` that the engine uses."""

    @property
    def access_log_enabled(self) -> bool: ...
    def debug(self, msg: str, /, *args: Any) -> None: ...
    def info(self, msg: str, /, *args: Any) -> None: ...
    def warning(self, msg: str, /, *args: Any) -> None: ...
    def error(self, msg: str, /, *args: Any) -> None: ...
    def exception(self, msg: str, /, *args: Any) -> None: ...
    def access(self, resp: Any, req: Any, environ: Environ, request_time: Any) -> None: ...


@dataclass(slots=True)
class Service:
    """One application behind one listener. `sock` listens and is non-blocking; None serves adopted
    connections only.
    """

    key: str
    sock: socket.socket | None
    app: Application
    server: tuple[str, str]
    base: Environ = field(default_factory=dict, repr=False)


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


@dataclass(slots=True, frozen=True)
class InFlight:
    """A request that is being answered; `started` is `time.monotonic()` seconds."""

    method: str
    path: str
    started: float
    peer: Peer


@dataclass(slots=True)
class Counters:
    """What the engine did since it started, in whole numbers.

    Written without a lock by whichever thread did it: good for a status line, not for accounting.
    """

    connections: int = 0
    in_flight: int = 0  # as threads have them: those the loop still reads or writes are not counted
    requests: int = 0
    accepted: int = 0
    adopted: int = 0
    handed_over: int = 0
    steals: int = 0
    given_away: int = 0
    queued: int = 0
    refused: int = 0
