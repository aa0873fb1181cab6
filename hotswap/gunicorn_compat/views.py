"""What gunicorn's workers get in place of gunicorn's objects, made of ours: the application, a socket, the log."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from hotswap.engine import Application, Counters
from hotswap.log import Log
from hotswap.settings import Config
from hotswap.system.listeners import Listener


class ApplicationView:
    """Stands for `gunicorn.app.base.BaseApplication`: workers ask it for the application, and for the settings."""

    def __init__(self, cfg: Config, load: Callable[[], Mapping[str, Application]]) -> None:
        self.cfg = cfg
        self._load = load
        self._loaded: Mapping[str, Application] | None = None

    def by_key(self) -> Mapping[str, Application]:
        """Return the application behind each listener; the first call loads them, and raises what loading raises."""
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def wsgi(self) -> Application:
        """Return the application behind the first listener: gunicorn's workers have one for all listeners."""
        return next(iter(self.by_key().values()))


class WorkerView:
    """Stands for `gunicorn.workers.base.Worker` in a process that forks none: what hooks get as the worker."""

    def __init__(self, cfg: Any, log: Any, app: ApplicationView) -> None:
        self.cfg = cfg
        self.log = log
        self.app = app
        self.pid = os.getpid()
        self.ppid = os.getppid()
        self.age = 1
        self.alive = True
        self.booted = False
        self.counters = Counters()  # what the engine counts in

    @property
    def nr(self) -> int:
        """How many requests were answered, by gunicorn's name."""
        return self.counters.requests

    @property
    def wsgi(self) -> Application:
        """The application."""
        return self.app.wsgi()


class SocketView:
    """Stands for `gunicorn.sock.BaseSocket`: a listening socket that prints as its URL.

    `BaseSocket` itself is not used, because it duplicates the descriptor that it gets, so that its number changes.
    """

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    def __str__(self) -> str:
        return self.listener.url

    def __getattr__(self, name: str) -> Any:
        return getattr(self.listener.sock, name)

    @property
    def sock(self) -> Any:
        """The Python socket."""
        return self.listener.sock

    @property
    def FAMILY(self) -> int:  # noqa: N802  gunicorn's name
        """The address family."""
        return self.listener.sock.family

    def fileno(self) -> int:
        return self.listener.fileno()

    def close(self) -> None:
        """Close this process's copy. `BaseSocket.close` does no more, unless it is told to remove a unix path."""
        self.listener.close()


class LogView:
    """Stands for `gunicorn.glogging.Logger`: its whole interface, with our identity in front of messages."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.debug, self.info, self.warning = log.debug, log.info, log.warning
        self.error, self.exception = log.error, log.exception
        self.access = log.access

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log.gunicorn, name)

    def critical(self, message: str, *args: object) -> None:
        self._log.error(message, *args)
