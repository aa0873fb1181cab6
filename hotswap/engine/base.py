"""What an engine is to the code that runs one, and what it asks of that code.

`workers` and `handover` know engines by the `Engine` protocol alone: the WSGI engine of `engine.wsgi` satisfies it, and
so can one for ASGI over the same `engine.http1` and `engine.transport`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, NamedTuple, Protocol

from hotswap.engine.values import Counters, Give, InFlight, Moved


class Sock(Protocol):
    """The part of a non-blocking socket that the engine uses; with TLS it is no `socket.socket`."""

    def fileno(self) -> int: ...
    def recv(self, size: int, /) -> bytes: ...
    def send(self, data: bytes | memoryview, /) -> int: ...
    def sendmsg(self, parts: tuple[bytes, ...], /) -> int: ...
    def shutdown(self, how: int, /) -> None: ...
    def setblocking(self, flag: bool, /) -> None: ...
    def getsockname(self) -> Any: ...
    def close(self) -> None: ...
    def detach(self) -> object: ...


class Logger(Protocol):
    """The part of gunicorn's `Logger` that the engine uses, from any of its threads."""

    @property
    def access_log_enabled(self) -> bool: ...
    def debug(self, msg: str, /, *args: Any) -> None: ...
    def info(self, msg: str, /, *args: Any) -> None: ...
    def warning(self, msg: str, /, *args: Any) -> None: ...
    def error(self, msg: str, /, *args: Any) -> None: ...
    def exception(self, msg: str, /, *args: Any) -> None: ...
    def access(self, resp: Any, req: Any, environ: Mapping[str, Any], request_time: Any) -> None: ...


class EngineHost(NamedTuple):
    """The process that an engine runs in, as the engine sees it.

    `changed` is called from any engine thread, so it must be quick and thread-safe: when the last connection has
    ended, and whenever a request or a connection ended while the engine leaves. `hook_worker` is what gunicorn's
    request hooks get as their worker. `multiprocess`: sibling processes serve the same listeners. The engine counts in
    `counters`, which the code that makes hosts may have shown to hooks before.
    """

    log: Logger
    changed: Callable[[], None]
    hook_worker: object = None
    multiprocess: bool = False
    counters: Counters = field(default_factory=Counters)


class Engine(Protocol):
    """HTTP on sockets given to it. An engine knows nothing of restarts.

    It can start, accept, stop accepting, hand connections out, adopt connections, finish, and report. Any method may be
    called from any thread, but no two of `open`, `pause`, `leave`, `resume` and `stop` at once.
    """

    log: Logger
    """The log it was given, none of whose methods raises."""

    def start(self) -> None:
        """Start to serve: sources and adopted connections, but no listener yet. Raises RuntimeError for want of
        threads."""

    def open(self) -> None:
        """Accept from the listeners."""

    def pause(self) -> None:
        """Do not accept, until open(): other processes accept from the same listeners meanwhile."""

    def be_lame_duck(self) -> None:
        """Say at the health path from now on that no new clients are wanted, and serve on."""

    def shed(self, count: int, give: Give) -> None:
        """Give up to `count` idle connections away, as leave() does with all of them, and serve on."""

    def leave(self, give: Give | None) -> None:
        """Stop accepting; every connection goes as soon as it is idle.

        `give` gets at most 64 connections at a time and returns those that it does not take: they drain. The others
        are its own. It is called here and, later, in engine threads, one call at a time. None drains all connections:
        answers carry `Connection: close`, idle connections are closed after a moment. leave() may be called again,
        for all that is left.
        """

    def resume(self) -> None:
        """Take leave() back: accept again, and keep the connections that are left."""

    def adopt(self, arrivals: Sequence[Moved]) -> None:
        """Take over live connections; whole requests among their bytes are served at once. TLS never moves, so they
        are plain, unless `fresh`."""

    def hammer(self) -> list[InFlight]:
        """End every connection by force; returns the requests that were cut."""

    def shut_down_apps(self) -> bool:
        """Nothing is left to serve, and there is no way back: have the applications shut down.

        Returns whether they have, or have had their time for it; it is to be asked again until then.
        """

    def in_flight(self) -> list[InFlight]:
        """The requests that were read and are not answered to the last byte."""

    def hangs_at(self) -> str:
        """Where the one thread that reads requests is held up by the application, as lines of a traceback; "" if it is
        not: it has come round since this was asked before. Asked now and then, by one thread."""

    @property
    def counters(self) -> Counters:
        """What was done since the start, and what there is now."""

    @property
    def idle(self) -> bool:
        """True if no connection is left, nor about to arrive from a listener or a source."""

    def add_source(self, fd: int, callback: Callable[[int], object], *, writable: bool = False) -> None:
        """Poll `fd` too: `callback(fd)` runs in the engine as long as it is readable (or `writable`)."""

    def remove_source(self, fd: int) -> None:
        """Do not poll `fd` any more; a callback that runs right now finishes."""

    def stop(self) -> None:
        """Let all threads end and close what is left.

        Does not wait for application code, but for a moment where applications are up that have not been shut down.
        """
