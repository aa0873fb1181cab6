"""gunicorn's worker object, as far as we use it: gunicorn itself has no type information."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from hotswap.engine import Counters
from hotswap.workers.context import WorkerContext


class GunicornWorker(Protocol):
    """The part of `gunicorn.workers.base.Worker` that we read and write, in the parent and in the worker.

    `age` counts the workers of one parent. `tmp` is the heartbeat file. `booted` and `aborted` are gunicorn's
    notes: the application was loaded, SIGABRT was sent.
    """

    age: int
    pid: int
    ppid: int
    alive: bool
    booted: bool
    aborted: bool
    nr: int
    max_requests: int
    cfg: Any
    log: Any
    tmp: Any
    sockets: Sequence[Any]
    wsgi: Any

    def init_process(self) -> None:
        """The worker's whole life, in the forked process."""

    def notify(self) -> None:
        """Give a heartbeat."""


class OurWorker(GunicornWorker, Protocol):
    """A worker that our server process forks: what it is given is set between the call of its class and the fork."""

    worker_context: WorkerContext


class CountingWorker(GunicornWorker, Protocol):
    """`hotswap.Worker`: its engine counts in its counters."""

    counters: Counters
