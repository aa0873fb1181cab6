"""gunicorn's server hooks, given by name: post_worker_init="tests.apps.hooks.hangs"."""

from __future__ import annotations

import os
import resource
import select
import signal
import ssl
import threading
from collections.abc import Callable
from typing import Any


def fails(_worker: Any) -> None:
    """post_worker_init, worker_int, worker_abort."""
    raise ValueError("not this one")


def fails_at_fork(_arbiter: Any, _worker: Any) -> None:
    """pre_fork, post_fork."""
    raise ValueError("not this one")


def fails_at_a_new_number(_arbiter: Any, _new: int, _old: int | None) -> None:
    """nworkers_changed."""
    raise ValueError("not this one")


def hangs(_worker: Any) -> None:
    """post_worker_init."""
    print("hanging", flush=True)
    threading.Event().wait()


def hangs_at_fork(_arbiter: Any, worker: Any) -> None:
    """post_fork."""
    hangs(worker)


def hangs_if_asked(_worker: Any) -> None:
    """post_worker_init: while there is a file "hang"."""
    if os.path.exists("hang"):
        signal.pause()


def fails_if_asked(_worker: Any) -> None:
    """post_worker_init: while there is a file "broken"."""
    if os.path.exists("broken"):
        raise RuntimeError("cannot begin")


def begins_slowly(_worker: Any) -> None:
    """post_worker_init: it takes a while."""
    print("begin", flush=True)
    select.select([], [], [], 0.2)
    print("begun", flush=True)


def says_begin(_worker: Any) -> None:
    """post_worker_init."""
    print("begin", flush=True)


def says_end(_arbiter: Any, _worker: Any) -> None:
    """worker_exit."""
    print("end", flush=True)


def second_waits_for_go(worker: Any) -> None:
    """post_worker_init: the worker that is forked second waits until there is a file "go"."""
    while worker.age == 2 and not os.path.exists("go"):
        select.select([], [], [], 0.01)
    print("has loaded", worker.age, flush=True)


def no_descriptors_for_the_second(_server: Any, worker: Any) -> None:
    """pre_fork: the process that forks has no descriptor left when it forks its second worker."""
    if worker.age == 2:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def tells_whether_there_is_epoll(_server: Any) -> None:
    """when_ready: gevent takes it away where it patches."""
    print("epoll", hasattr(select, "epoll"), flush=True)


def certificate_by_name(_config: Any, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """ssl_context: for a client that asks for "other" the certificate is that of the environment."""
    other = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    other.load_cert_chain(os.environ["OTHER_CERT"], os.environ["OTHER_KEY"])

    def choose(sock: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        if name == "other":
            sock.context = other

    made = default()
    made.sni_callback = choose
    return made
