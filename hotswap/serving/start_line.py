"""The first line that a generation logs: what it is, and what it is about to serve, from where."""

from __future__ import annotations

import gunicorn

from hotswap.apps.interface import interface_of
from hotswap.apps.mapping import Deferred
from hotswap.engine.native import choice
from hotswap.scoreboard import Deployment
from hotswap.serving.plan import Plan


def start_line(plan: Plan, deployed: Deployment) -> str:
    """Return the sentence: version, lane of the engine, addresses, mode, threads, event loops or workers, directory.

    A directory that is reached by a link is named by the link, and what the link leads to now stands behind it. Where
    there is a health path, a route of the application's there is not reached.
    """
    lane = f", lane: {choice.LANE}" if plan.worker_class is None else ""
    what = f"hotswap {deployed.version} (gunicorn {gunicorn.__version__}{lane})"
    return f"{what} for {', '.join(deployed.addresses)}: {_mode(plan)}, in {_where(deployed)}{_health(plan)}"


def _health(plan: Plan) -> str:
    path = plan.options.health_path
    return f"; GET {path} is answered by the server, not by the application" if path else ""


def _mode(plan: Plan) -> str:
    app = next(iter(plan.apps.values()))
    threads = "an event loop" if interface_of(app).is_asgi else f"up to {_number(plan.cfg.threads, 'thread')}"
    if not plan.options.workers:
        return f"{threads} in this process"
    workers = _number(plan.options.workers, "worker")
    if plan.worker_class is not None:
        return f"{workers} of class {plan.worker_class.__qualname__}"
    # What they load themselves is not known yet.
    return workers if isinstance(app, Deferred) else f"{workers} with {threads} each"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _where(deployed: Deployment) -> str:
    directory, release = deployed.directory, deployed.release
    return f"{directory} ({release})" if release not in ("", directory) else directory
