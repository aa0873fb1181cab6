"""Cluster mode: forked workers under this process, which holds what they share and serves nothing itself."""

from __future__ import annotations

import contextlib
import gc
import select
import signal
import socket
import time
from collections.abc import Callable, Collection
from typing import Any

from hotswap.engine import InFlight
from hotswap.errors import BootError
from hotswap.lifecycle.worker_states import Phase, Stage
from hotswap.scoreboard import Slot
from hotswap.workers.channel import Order
from hotswap.workers.check_worker import CheckWorker
from hotswap.workers.context import ServerContext
from hotswap.workers.handle import WorkerHandle
from hotswap.workers.health import LOOK_EVERY
from hotswap.workers.spawn import Forker
from hotswap.workers.supervisor import HAMMER_PATIENCE, Supervisor


class Cluster:
    """The runner that forks. Every step of a generation's life is an order over the workers' control channels.

    `handle_class` says how such workers are spoken to: by orders only, or by signals once they accept.
    """

    def __init__(
        self, context: ServerContext, worker_class: type[Any], handle_class: type[WorkerHandle] = WorkerHandle
    ) -> None:
        self._context = context
        self._log = context.log
        self._supervisor = Supervisor(context, Forker(context, worker_class, handle_class))
        self._handles = self._supervisor.handles
        self._handle_class = handle_class
        self._check_worker = CheckWorker(self._supervisor, context.loop, context.cfg)

    # arriving

    def start(self) -> None:
        """Fork all workers and wait until every one has loaded. Raises BootError with what a failing one said."""
        # A collection would write into every object there is, and so copy every page that workers share.
        gc.freeze()
        self._supervisor.resize(self._context.options.workers)
        while self._supervisor.at(Stage.LOADING) and not self._supervisor.boot_error:
            self._context.loop.wait()
        if self._supervisor.boot_error:
            raise BootError(self._supervisor.boot_error)

    def open(self) -> None:
        """Tell all to accept, and wait until they do: a client that hears "ready" may connect at once.

        From here on a worker that ends is replaced: the others may be answering already.
        """
        self._supervisor.phase = Phase.SERVING
        self._check_worker.end()
        for handle in self._supervisor.at(Stage.LOADED):
            self._supervisor.accept(handle)
        while self._supervisor.at(Stage.OPENING):
            self._context.loop.wait()
        self._context.loop.later(LOOK_EVERY, self._supervisor.look_after_workers)

    def self_connect(self, key: str) -> socket.socket:
        """A connection that one worker serves, before any accepts."""
        if not self._handle_class.comes_back:
            return self._check_worker.begin()
        ours, theirs = socket.socketpair()
        with theirs:
            for handle in self._supervisor.at(Stage.LOADED, Stage.OPENING, Stage.SERVING)[:1]:
                handle.order(Order.ADOPT, theirs.fileno(), key=key)
        return ours

    # leaving

    def be_lame_duck(self) -> None:
        self._supervisor.be_lame_duck()

    def retire(self, takes: Collection[str], *, moves: bool = True) -> None:
        self._supervisor.leave()
        for handle in self._supervisor.at(Stage.OPENING, Stage.SERVING):
            handle.stage = Stage.LEAVING
            handle.waiting = None
            handle.order(Order.RETIRE, takes=list(takes), moves=moves)
        for handle in self._supervisor.at(Stage.DISMISSED):
            self._supervisor.dismiss(handle, list(takes), moves=moves)

    def drain(self) -> None:
        self._supervisor.leave()
        for handle in self._supervisor.at(Stage.OPENING, Stage.SERVING, Stage.DISMISSED, Stage.LEAVING):
            handle.stage = Stage.LEAVING
            handle.order(Order.DRAIN)

    def take_back(self) -> None:
        for handle in self._supervisor.at(Stage.LEAVING):
            if handle.comes_back:
                handle.stage = Stage.SERVING
                handle.order(Order.TAKE_BACK)
            else:
                self._supervisor.replace(handle)
        for handle in self._supervisor.at(Stage.DISMISSED):
            self._supervisor.dismiss(handle)
        self._supervisor.serve_again()

    def release_listeners(self, close: Callable[[], object]) -> None:
        close()
        for handle in self._handles.values():
            handle.order(Order.RELEASE)

    def flush(self) -> None:
        """Workers try again by themselves."""

    def handed_over(self) -> bool:
        all_sent = all(handle.waiting == 0 for handle in self._handles.values())
        return all_sent and not self._context.exchange.waiting()

    @property
    def connections(self) -> int:
        return sum(handle.connections for handle in self._handles.values())

    def empty(self) -> bool:
        """Whether no worker is left: each has looked, before it went, that the exchange holds nothing unread."""
        return not self._handles

    def shut_down_apps(self) -> bool:
        """Each worker has, before it went."""
        return True

    # the end

    def hammer(self) -> list[InFlight]:
        """End all workers by force; returns the requests that were cut, as far as they still said so."""
        self._supervisor.leave()
        handles = list(self._handles.values())
        for handle in handles:
            handle.order(Order.HAMMER)
        self._wait_for_ends(handles)
        for handle in handles:
            for message in handle.news():
                self._supervisor.take_news(handle, message)
        return [request for handle in handles for request in handle.cut]

    def _wait_for_ends(self, handles: Collection[WorkerHandle]) -> None:
        """Wait for workers that were told to end. Not with the event loop: one of its callbacks may have called us."""
        until = time.monotonic() + HAMMER_PATIENCE
        left = {handle.pidfd for handle in handles}
        while left and (patience := until - time.monotonic()) > 0:
            poll = select.poll()
            for fd in left:
                poll.register(fd, select.POLLIN)
            left -= {fd for fd, _ in poll.poll(patience * 1000)}

    def stop(self) -> None:
        """Kill and reap the workers that are left; those of a boot that has failed may shut down before."""
        failed = self._supervisor.phase is Phase.BOOTING
        self._supervisor.leave()
        if failed:
            self._wait_for_ends(self._supervisor.at(Stage.DROPPED))
        for handle in list(self._handles.values()):
            handle.signal(signal.SIGKILL)
            handle.reap(wait=True)
            with contextlib.suppress(Exception):  # the child_exit hook, in a boot that has failed already
                self._supervisor.bury(handle)
        gc.unfreeze()

    def report(self, slot: Slot) -> None:
        """The workers report for themselves."""

    # signals

    def more_workers(self) -> None:
        self._log.info("SIGTTIN: one worker more, %d", len(self._supervisor.slots) + 1)
        self._supervisor.resize(len(self._supervisor.slots) + 1)

    def fewer_workers(self) -> None:
        if len(self._supervisor.slots) <= 1:
            self._log.info("SIGTTOU: the last worker stays")
            return
        self._log.info("SIGTTOU: one worker fewer, %d", len(self._supervisor.slots) - 1)
        self._supervisor.resize(len(self._supervisor.slots) - 1)

    def reopen_logs(self) -> None:
        for handle in self._handles.values():
            handle.order(Order.REOPEN)

    def suspend(self) -> None:
        for handle in self._handles.values():
            handle.signal(signal.SIGSTOP)

    def resume(self) -> None:
        for handle in self._handles.values():
            handle.signal(signal.SIGCONT)
