"""Single mode: the engine in this very process."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable

from hotswap.engine import EngineHost
from hotswap.gunicorn_compat.views import WorkerView
from hotswap.handover.engine_node import HandoverEngine
from hotswap.handover.peers import Peers
from hotswap.settings.options import EngineOptions
from hotswap.workers.context import ServerContext
from hotswap.workers.engines import make_engine
from hotswap.workers.services import services_of


class Single(HandoverEngine):
    """The runner of one process: what a cluster does with its workers, it does itself or has no use for.

    `worker` is what request hooks get; the engine counts in its counters.
    """

    def __init__(self, context: ServerContext, worker: WorkerView) -> None:
        services = services_of(context.listeners, context.load())
        host = EngineHost(context.log, context.changed, hook_worker=worker, counters=worker.counters)
        engine = make_engine(services, EngineOptions.from_config(context.cfg), host)
        peers = Peers(context.exchange, context.board.receiving, context.loop.call_later)
        super().__init__(engine, services, peers)
        self._log = context.log

    def stop(self) -> None:
        super().stop()
        gc.unfreeze()

    def release_listeners(self, close: Callable[[], object]) -> None:
        self.close_listeners(close)

    def self_connect(self, key: str) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        self.adopt(theirs, key)
        return ours

    def more_workers(self) -> None:
        self._log.info("SIGTTIN: single mode has no workers to add")

    def fewer_workers(self) -> None:
        self._log.info("SIGTTOU: single mode has no workers to remove")

    def reopen_logs(self) -> None:
        """The server has reopened the only log there is."""

    def suspend(self) -> None:
        """The server suspends this very process."""

    def resume(self) -> None:
        """Every thread goes on with the process."""
