"""Which runner a generation has: threads in this process, or forked workers."""

from __future__ import annotations

from typing import Any

from hotswap.apps import mapping
from hotswap.engine.native import choice
from hotswap.gunicorn_compat.views import WorkerView
from hotswap.settings.options import EngineOptions
from hotswap.workers.context import ServerContext
from hotswap.workers.engines import import_executor, import_for
from hotswap.workers.foreign import classes
from hotswap.workers.runner import Runner
from hotswap.workers.single import Single

#: Settings that replace workers, which one process alone has none of.
_FORKED = ("max_requests", "workers_lifetime")


def single(context: ServerContext, worker: WorkerView) -> Runner:
    """Threads in this very process. `worker` is what request hooks get. Raises BootError."""
    idle = [name for name in _FORKED if context.cfg.changed(name)]
    if idle:
        context.log.warning("%s: without effect, because nothing is forked (workers=0)", ", ".join(idle))
    _name_lane(context)
    return Single(context, worker)


def cluster(context: ServerContext) -> Runner:
    """Forked workers under this process, of `context.worker_class`."""
    # Here, and not above: a server that forks nothing should not wait for the import of gunicorn's workers.
    from hotswap.workers.cluster import Cluster
    from hotswap.workers.foreign.wrapping import wrapped
    from hotswap.workers.native.worker import Worker
    from hotswap.workers.signal_handle import SignalHandle

    if context.worker_class is None:
        _name_lane(context)
        # One that workers load themselves is not known yet.
        import_for(next(iter(context.apps.values())), EngineOptions.from_config(context.cfg))
        return Cluster(context, Worker)
    _make_known(context.worker_class, context)
    import_executor(next(iter(context.apps.values())))
    return Cluster(context, wrapped(context.worker_class), SignalHandle)


def _name_lane(context: ServerContext) -> None:
    """Say once, and not at every restart, why the engine does without C: the start line says that it does."""
    if choice.WHY_PYTHON and context.generation == 1:
        context.log.info("requests are served in Python alone (%s)", choice.WHY_PYTHON)


def _make_known(chosen: type[Any], context: ServerContext) -> None:
    """What gunicorn does with a worker class at its start (gunicorn.config.Config.worker_class, Arbiter.start)."""
    if hasattr(chosen, "setup"):
        chosen.setup()
    if hasattr(chosen, "check_config"):
        chosen.check_config(context.cfg, context.log)
    context.log.info(
        "workers are of gunicorn's class %s: %d of them; at a restart they finish what runs and hand nothing over",
        chosen.__qualname__,
        context.options.workers,
    )
    is_loaded = not isinstance(next(iter(context.apps.values())), mapping.Deferred)
    if classes.patches(chosen) and is_loaded:
        context.log.warning(
            "%s patches the standard library in each worker, after the application has been imported: what it imported "
            "by name stays as it was, and may block (hotswap run --no-preload loads it afterwards)",
            chosen.__qualname__,
        )
