"""gunicorn's server hooks, each of which says in which process it is called, and with what."""

from __future__ import annotations

import os
from typing import Any


def say(*words: object) -> None:
    """In one piece: several processes write."""
    os.write(1, " ".join(["hook", str(os.getpid()), *map(str, words), "\n"]).encode())


def pre_fork(arbiter: Any, worker: Any) -> None:
    """In the server process."""
    say("pre_fork", arbiter.pid, worker.age, len(arbiter.WORKERS))


def post_fork(arbiter: Any, worker: Any) -> None:
    """In the worker."""
    say("post_fork", worker.pid == os.getpid(), worker.ppid == arbiter.pid)


def post_worker_init(worker: Any) -> None:
    """In the worker."""
    say("post_worker_init", worker.pid, worker.cfg.workers)


def worker_int(worker: Any) -> None:
    """In the worker."""
    say("worker_int", worker.pid)


def worker_abort(worker: Any) -> None:
    """In the worker."""
    say("worker_abort", worker.pid)


def worker_exit(_arbiter: Any, worker: Any) -> None:
    """In the worker."""
    say("worker_exit", worker.pid)


def child_exit(arbiter: Any, worker: Any) -> None:
    """In the server process."""
    say("child_exit", worker.pid, worker.pid in arbiter.WORKERS)


def nworkers_changed(arbiter: Any, new: int, old: int | None) -> None:
    """In the server process."""
    say("nworkers_changed", new, old, arbiter.num_workers)
