"""gunicorn's server hooks, called at the steps of a generation's life that mean the same, and its two gauges."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from hotswap.applications import loaded
from hotswap.crew.gunicorn_view import ApplicationView, LogView, SocketView
from hotswap.engine.hooks import given
from hotswap.logs import Log
from hotswap.settings import Config
from hotswap.system.addresses import Address, parse_all
from hotswap.system.listeners import Listener

#: Step to gunicorn's hook (gunicorn.config, section "Server Hooks"); every one gets the server.
HOOKS = {"starting": "on_starting", "ready": "when_ready", "restarting": "on_reload", "stopped": "on_exit"}

#: Hooks that only make sense where workers are forked, and whose absence somebody might miss.
_FORKING = ("pre_fork", "post_fork", "child_exit")


class OnlyWorker:
    """What hooks get where gunicorn gives its Worker, in a process that forks none."""

    def __init__(self, arbiter: ArbiterView) -> None:
        self.cfg = arbiter.cfg
        self.log = arbiter.log
        self.app = arbiter.app
        self.pid = os.getpid()
        self.ppid = os.getppid()
        self.age = 1
        self.alive = True
        self.booted = False
        self.answered: Callable[[], int] = lambda: 0

    @property
    def nr(self) -> int:
        """How many requests were answered, by gunicorn's name."""
        return self.answered()

    @property
    def wsgi(self) -> Any:
        """The application."""
        return self.app.wsgi()


class ArbiterView:
    """What hooks get where gunicorn gives its Arbiter: the attributes that hooks in the wild read, and no others."""

    def __init__(self, cfg: Config, log: Log, apps: Mapping[str, Any]) -> None:
        self.cfg = cfg
        self.log = LogView(log)
        self.app = ApplicationView(cfg, functools.partial(loaded, apps))
        self.pid = os.getpid()
        self.address = [_as_gunicorn_has_it(address) for address in parse_all(cfg.settings["bind"].get())]
        self.LISTENERS: Sequence[SocketView] = ()
        self.WORKERS: dict[int, object] = {}
        self.num_workers = 0
        self._log = log
        self._counted: int | None = None

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"hotswap has no gunicorn Arbiter, and what stands for it has no {name!r}: "
            "it has cfg, log, pid, app, address, LISTENERS, WORKERS and num_workers"
        )

    def listens_at(self, listeners: Sequence[Listener]) -> None:
        """These are the listeners, from now on."""
        self.LISTENERS = [SocketView(listener) for listener in listeners]

    @contextlib.contextmanager
    def working(self, worker: OnlyWorker) -> Iterator[Callable[[], None]]:
        """In single mode, where this process is its own worker: call post_worker_init now, and worker_exit when what is
        given is called, at the end at the latest. So a pool or a thread that is started in the one and ended in the
        other is there with and without forked workers."""
        idle = [name for name in _FORKING if given(self.cfg, name) is not None]
        if idle:
            text = "%s: not called, because nothing is forked (workers=0); post_worker_init and worker_exit are"
            self._log.warning(text, ", ".join(idle))
        left = contextlib.ExitStack()
        with left:
            left.callback(self._worker_exit, worker)
            self.cfg.post_worker_init(worker)
            worker.booted = True
            yield left.close

    def _worker_exit(self, worker: OnlyWorker) -> None:
        worker.alive = False
        try:
            self.cfg.worker_exit(self, worker)
        except Exception:  # noqa: BLE001  the user's code, in a process that is about to end
            self._log.exception("the worker_exit hook failed")

    def call(self, step: str) -> None:
        """Call the hook of this step, if it has one."""
        if step in HOOKS:
            getattr(self.cfg, HOOKS[step])(self)

    def measure(self) -> None:
        """Tell statsd what gunicorn's arbiter tells it about once a second (gunicorn.arbiter, manage_workers)."""
        if self.cfg.workers and len(self.WORKERS) != self._counted:
            self._counted = len(self.WORKERS)
            self._log.metric("gunicorn.workers", self._counted, "gauge", "%d workers")
        if self.cfg.enable_backlog_metric:
            backlog = sum(view.listener.backlog() for view in self.LISTENERS)
            self._log.metric("gunicorn.backlog", backlog, "histogram", "socket backlog: %d")


def _as_gunicorn_has_it(address: Address) -> object:
    """As gunicorn.util.parse_address: host and port, the path of a unix socket, or the number of a descriptor."""
    if address.host:
        return address.host, address.port
    return address.path or address.fd or address.text
