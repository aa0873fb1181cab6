"""Which crew runs the engine: threads in this process, or forked workers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

from hotswap import applications
from hotswap.applications import WSGIApp
from hotswap.crew.protocol import Crew
from hotswap.crew.single import Single
from hotswap.engine import Service
from hotswap.hooks import ArbiterView
from hotswap.logs import Log
from hotswap.settings import Config
from hotswap.system.exchange import Exchange
from hotswap.system.listeners import Listener
from hotswap.system.scoreboard import Scoreboard
from hotswap.system.waiter import Waiter


def single(
    cfg: Config,
    log: Log,
    listeners: Sequence[Listener],
    apps: Mapping[str, WSGIApp],
    exchange: Exchange,
    board: Scoreboard,
    later: Callable[[float, Callable[[], object]], object],
    changed: Callable[[], None],
) -> Crew:
    """Threads in this very process."""
    default = next(iter(apps.values()))
    services = [
        Service(
            key=listener.key,
            sock=listener.sock,
            app=apps.get(listener.key, default),
            server=applications.server_name(listener.bound),
        )
        for listener in listeners
    ]
    return Single(services, cfg, log, exchange, board, later, changed)


def cluster(
    cfg: Config,
    log: Log,
    listeners: Sequence[Listener],
    apps: Mapping[str, WSGIApp],
    exchange: Exchange,
    board: Scoreboard,
    waiter: Waiter,
    changed: Callable[[], None],
    arbiter: ArbiterView,
    generation: int,
    let_go: Callable[[int], None],
    has_loaded: Callable[[], None],
) -> Crew:
    """Forked workers under this process. `let_go(number)` and `has_loaded()` are called in each of them."""
    # Here, and not above: who forks nothing should not wait for the import of gunicorn's workers.
    from hotswap.crew.cluster import Cluster
    from hotswap.crew.post import Shared
    from hotswap.crew.worker import Worker

    shared = Shared(
        cfg,
        log,
        generation,
        listeners,
        exchange,
        board,
        load=functools.partial(applications.loaded, apps),
        names=applications.server_name,
        arbiter=arbiter,
        has_loaded=has_loaded,
    )
    return Cluster(shared, Worker, waiter, changed, let_go)
