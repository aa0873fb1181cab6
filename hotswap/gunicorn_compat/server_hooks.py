"""Calls gunicorn's server hooks at the steps of a generation's life that mean the same, and sends its two gauges.

Hooks run on the main thread.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from hotswap.apps.mapping import loaded
from hotswap.gunicorn_compat.views import ApplicationView, LogView, SocketView, WorkerView
from hotswap.log import Log
from hotswap.settings import Config
from hotswap.settings.options import given_hook
from hotswap.system.addresses import Address, parse_all
from hotswap.system.listeners import Listener

#: Step to gunicorn's hook (gunicorn.config, section "Server Hooks"); each gets the ArbiterView.
HOOKS = {"starting": "on_starting", "ready": "when_ready", "restarting": "on_reload", "stopped": "on_exit"}

#: Hooks that are called for forked workers only; without any, the log says that they are not called.
_FORKING = ("pre_fork", "post_fork")


class ArbiterView:
    """What hooks get where gunicorn passes its Arbiter: the attributes that hooks in the wild read, and no others."""

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
        """Show these listeners from now on; called when they are open."""
        self.LISTENERS = [SocketView(listener) for listener in listeners]

    @contextlib.contextmanager
    def working(self, worker: WorkerView) -> Iterator[Callable[[], None]]:
        """In single mode, where this process is its own worker: call post_worker_init now, and worker_exit when the
        caller calls the function that it gets, at the latest when the context ends.

        So a pool or a thread that the first hook starts and the second ends is there with and without forked workers.
        Raises what post_worker_init raises; what worker_exit raises is logged.
        """
        idle = [name for name in _FORKING if given_hook(self.cfg, name) is not None]
        if idle:
            text = "%s: not called, because nothing is forked (workers=0); post_worker_init and worker_exit are"
            self._log.warning(text, ", ".join(idle))
        left = contextlib.ExitStack()
        with left:
            left.callback(self._worker_exit, worker)
            self.cfg.post_worker_init(worker)
            worker.booted = True
            yield left.close

    def _worker_exit(self, worker: WorkerView) -> None:
        worker.alive = False
        try:
            self.cfg.worker_exit(self, worker)
        except Exception:  # noqa: BLE001  the user's code, in a process that is about to end
            self._log.exception("the worker_exit hook failed")

    @property
    def wants_child_exit(self) -> bool:
        """Whether the program wants to hear of a generation's end by child_exit, having no forked workers."""
        return not self.cfg.workers and given_hook(self.cfg, "child_exit") is not None

    def generation_ended(self, pid: int, generation: int) -> None:
        """Call child_exit for a process that was its own worker; what the hook raises is logged.

        Users have it for what a process with that pid has left behind, as prometheus_client's `mark_process_dead`.
        """
        worker = WorkerView(self.cfg, self.log, self.app)
        worker.pid, worker.age, worker.alive = pid, generation, False
        try:
            self.cfg.child_exit(self, worker)
        except Exception:  # noqa: BLE001  the user's code, while clients are being served
            self._log.exception("the child_exit hook failed")

    def call(self, step: str) -> None:
        """Call the hook of this step, if there is one. Raises what the hook raises."""
        if step in HOOKS:
            getattr(self.cfg, HOOKS[step])(self)

    def measure(self) -> None:
        """Send to statsd what gunicorn's arbiter sends about once a second (gunicorn.arbiter, manage_workers)."""
        if self.cfg.workers and len(self.WORKERS) != self._counted:
            self._counted = len(self.WORKERS)
            self._log.metric("gunicorn.workers", self._counted, "gauge", "%d workers")
        if self.cfg.enable_backlog_metric:
            backlog = sum(view.listener.backlog() for view in self.LISTENERS)
            self._log.metric("gunicorn.backlog", backlog, "histogram", "socket backlog: %d")


def _as_gunicorn_has_it(address: Address) -> object:
    """Return what gunicorn.util.parse_address does: host and port, a unix socket's path, or a descriptor's number."""
    if address.host:
        return address.host, address.port
    return address.path or address.fd or address.text
