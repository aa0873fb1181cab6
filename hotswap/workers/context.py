"""What a generation gives to what runs its engine, and what each forked worker is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from hotswap.apps import mapping
from hotswap.apps.mapping import WSGIApp
from hotswap.engine.values import Application
from hotswap.gunicorn_compat.server_hooks import ArbiterView
from hotswap.handover.exchange import Exchange
from hotswap.log import Log
from hotswap.scoreboard import Scoreboard
from hotswap.settings import Config
from hotswap.settings.options import ClusterOptions
from hotswap.system.listeners import Listener
from hotswap.system.main_loop import MainLoop
from hotswap.workers.channel import Channel
from hotswap.workers.foreign import classes


class ServerContext(NamedTuple):
    """What a generation has, for both ways of running: threads in this process, or forked workers.

    cfg: gunicorn's own object, for its hooks, its worker classes, its logger and the engine's use of its parsers.
    worker_class: gunicorn's, for forked workers; None: the engine's own.
    attempt: the number of the restart attempt that started this generation; 0 for the first.
    loop: the server process's, on the main thread. A forked worker must not use it.
    arbiter: what gunicorn's hooks get.
    changed: is called when there may be nothing left to do: by the engine's threads (a single process), on the main
        thread (a cluster).
    close_in_worker: is called in each forked worker, with its number, and closes what only the server process has.
    has_loaded: is called in each forked worker when nothing can fail any more.
    """

    cfg: Config
    options: ClusterOptions
    log: Log
    generation: int
    attempt: int
    listeners: Sequence[Listener]
    apps: Mapping[str, WSGIApp]
    worker_class: type[Any] | None
    exchange: Exchange
    board: Scoreboard
    loop: MainLoop
    arbiter: ArbiterView
    changed: Callable[[], None]
    close_in_worker: Callable[[int], object]
    has_loaded: Callable[[], object]

    def load(self) -> Mapping[str, Application]:
        """The application behind each listener, by the listener's key: loaded already, or by this call.

        Raises what loading it raises, and UsageError if workers of this class cannot serve it.
        """
        return mapping.loaded(self.apps, lambda app: classes.must_fit(app, self.cfg, self.worker_class))


class WorkerContext(NamedTuple):
    """Where one worker stands: its number among the others, and its end of the control channel."""

    server: ServerContext
    number: int
    channel: Channel
