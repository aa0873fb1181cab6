"""Which crew runs the engine: threads in this process, or forked workers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hotswap import applications, worker_classes
from hotswap.applications import WSGIApp
from hotswap.crew.protocol import Crew
from hotswap.crew.single import Single
from hotswap.engine import Service
from hotswap.hooks import ArbiterView, OnlyWorker
from hotswap.logs import Log
from hotswap.settings import Config
from hotswap.system.exchange import Exchange
from hotswap.system.listeners import Listener
from hotswap.system.scoreboard import Scoreboard
from hotswap.system.waiter import Waiter

#: Settings that replace workers, which one process alone has none of.
_FORKED = ("max_requests", "workers_lifetime")


def single(
    cfg: Config,
    log: Log,
    listeners: Sequence[Listener],
    apps: Mapping[str, WSGIApp],
    exchange: Exchange,
    board: Scoreboard,
    later: Callable[[float, Callable[[], object]], object],
    changed: Callable[[], None],
    worker: OnlyWorker,
) -> Crew:
    """Threads in this very process. `worker` is what request hooks get."""
    idle = [name for name in _FORKED if cfg.changed(name)]
    if idle:
        log.warning("%s: without effect, because nothing is forked (workers=0)", ", ".join(idle))
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
    crew = Single(services, cfg, log, exchange, board, later, changed, worker=worker)
    worker.answered = lambda: crew.engine.counters.requests
    return crew


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
    chosen: type[Any] | None,
) -> Crew:
    """Forked workers under this process. `let_go(number)` and `has_loaded()` are called in each of them.

    `chosen`: a worker class of gunicorn's, None for the engine's.
    """
    # Here, and not above: who forks nothing should not wait for the import of gunicorn's workers.
    from hotswap.crew.cluster import Cluster
    from hotswap.crew.gated import gated
    from hotswap.crew.member import Member
    from hotswap.crew.post import Shared
    from hotswap.crew.signalled import SignalledMember
    from hotswap.crew.worker import Worker

    shared = Shared(
        cfg,
        log,
        generation,
        listeners,
        exchange,
        board,
        load=functools.partial(applications.loaded, apps, lambda app: worker_classes.must_fit(app, cfg, chosen)),
        names=applications.server_name,
        arbiter=arbiter,
        has_loaded=has_loaded,
    )
    if chosen is None:
        return Cluster(shared, Worker, waiter, changed, let_go, Member)
    _make_known(chosen, cfg, log, is_loaded=not isinstance(next(iter(apps.values())), applications.Deferred))
    return Cluster(shared, gated(chosen), waiter, changed, let_go, SignalledMember)


def _make_known(chosen: type[Any], cfg: Config, log: Log, *, is_loaded: bool) -> None:
    """What gunicorn does with a worker class at its start (gunicorn.config.Config.worker_class, Arbiter.start)."""
    if hasattr(chosen, "setup"):
        chosen.setup()
    if hasattr(chosen, "check_config"):
        chosen.check_config(cfg, log)
    log.info(
        "workers are of gunicorn's class %s: %d of them; at a restart they finish what runs and hand nothing over",
        chosen.__qualname__,
        cfg.workers,
    )
    if worker_classes.patches(chosen) and is_loaded:
        log.warning(
            "%s patches the standard library in each worker, after the application has been imported: what it imported "
            "by name stays as it was, and may block (hotswap run --no-preload loads it afterwards)",
            chosen.__qualname__,
        )
