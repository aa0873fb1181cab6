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

from hotswap.crew.channel import Order
from hotswap.crew.forking import Forker
from hotswap.crew.member import Member, Stage
from hotswap.crew.post import Shared
from hotswap.crew.supervisor import LOOK_EVERY, Phase, Supervisor
from hotswap.crew.trial import Trial
from hotswap.engine import InFlight
from hotswap.errors import BootError
from hotswap.system.scoreboard import Slot
from hotswap.system.waiter import Waiter

#: How long a hammered worker may take to end by itself (seconds).
HAMMER_PATIENCE = 2.0


class Cluster:
    """The crew that is forked. Every step of a generation's life is an order over the workers' control channels.

    `changed()` is called on the main thread when there may be nothing left to do; `let_go(number)` closes, in the
    worker of that number, what only the server process has.
    """

    def __init__(
        self,
        shared: Shared,
        worker_class: type[Any],
        waiter: Waiter,
        changed: Callable[[], object],
        let_go: Callable[[int], object],
        member_class: type[Member] = Member,
    ) -> None:
        self._shared = shared
        self._log = shared.log
        self._waiter = waiter
        self._supervisor = Supervisor(shared, waiter, Forker(shared, worker_class, let_go, member_class), changed)
        self._members = self._supervisor.members
        self._member_class = member_class
        self._trial = Trial(self._supervisor, waiter, shared.cfg)

    # arriving

    def start(self) -> None:
        """Fork all workers and wait until every one has loaded. Raises BootError with what a failing one said."""
        # A collection would write into every object there is, and so copy every page that workers share.
        gc.freeze()
        self._supervisor.resize(self._shared.cfg.workers)
        while self._supervisor.at(Stage.LOADING) and not self._supervisor.boot_error:
            self._waiter.wait()
        if self._supervisor.boot_error:
            raise BootError(self._supervisor.boot_error)

    def open(self) -> None:
        """Tell all to accept, and wait until they do: whoever hears "ready" may connect at once.

        From here on one that ends is replaced: the others may be answering already.
        """
        self._supervisor.phase = Phase.SERVING
        self._trial.end()
        for member in self._supervisor.at(Stage.LOADED):
            self._supervisor.accept(member)
        while self._supervisor.at(Stage.OPENING):
            self._waiter.wait()
        self._waiter.later(LOOK_EVERY, self._supervisor.look_at_heartbeats)

    def knock(self, key: str) -> socket.socket:
        """A connection that one worker serves, before any accepts."""
        if not self._member_class.comes_back:
            return self._trial.begin()
        ours, theirs = socket.socketpair()
        with theirs:
            for member in self._supervisor.at(Stage.LOADED, Stage.OPENING, Stage.SERVING)[:1]:
                member.order(Order.ADOPT, theirs.fileno(), key=key)
        return ours

    # leaving

    def retire(self, takes: Collection[str], *, moves: bool = True) -> None:
        self._supervisor.leave()
        for member in self._supervisor.at(Stage.OPENING, Stage.SERVING):
            member.stage = Stage.LEAVING
            member.waiting = None
            member.order(Order.RETIRE, takes=list(takes), moves=moves)
        for member in self._supervisor.at(Stage.DISMISSED):
            self._supervisor.dismiss(member, list(takes), moves=moves)

    def drain(self) -> None:
        self._supervisor.leave()
        for member in self._supervisor.at(Stage.OPENING, Stage.SERVING, Stage.DISMISSED, Stage.LEAVING):
            member.stage = Stage.LEAVING
            member.order(Order.DRAIN)

    def take_back(self) -> None:
        for member in self._supervisor.at(Stage.LEAVING):
            if member.comes_back:
                member.stage = Stage.SERVING
                member.order(Order.TAKE_BACK)
            else:
                self._supervisor.replace(member)
        for member in self._supervisor.at(Stage.DISMISSED):
            self._supervisor.dismiss(member)
        self._supervisor.serve_again()

    def release_listeners(self) -> None:
        for member in self._members.values():
            member.order(Order.RELEASE)

    def flush(self) -> None:
        """Workers try again by themselves."""

    def handed_over(self) -> bool:
        all_sent = all(member.waiting == 0 for member in self._members.values())
        return all_sent and not self._shared.exchange.waiting()

    @property
    def connections(self) -> int:
        return sum(member.connections for member in self._members.values())

    def empty(self) -> bool:
        """Whether no worker is left: each has looked, before it went, that the exchange holds nothing unread."""
        return not self._members

    # the end

    def hammer(self) -> list[InFlight]:
        """End all workers by force; returns the requests that were cut, as far as they still said so."""
        self._supervisor.leave()
        members = list(self._members.values())
        for member in members:
            member.order(Order.HAMMER)
        self._wait_for_ends(HAMMER_PATIENCE)
        for member in members:
            for message in member.news():
                self._supervisor.take_news(member, message)
        return [request for member in members for request in member.cut]

    def _wait_for_ends(self, seconds: float) -> None:
        """Wait so long for all workers to end. Not with the waiter: one of its callbacks may be what called us."""
        until = time.monotonic() + seconds
        left = {member.pidfd for member in self._members.values()}
        while left and (patience := until - time.monotonic()) > 0:
            poll = select.poll()
            for fd in left:
                poll.register(fd, select.POLLIN)
            left -= {fd for fd, _ in poll.poll(patience * 1000)}

    def stop(self) -> None:
        """Kill and reap whoever is left."""
        self._supervisor.leave()
        for member in list(self._members.values()):
            member.signal(signal.SIGKILL)
            member.reap(wait=True)
            with contextlib.suppress(Exception):  # the child_exit hook, in a boot that has failed already
                self._supervisor.bury(member)
        gc.unfreeze()

    def report(self, slot: Slot) -> None:
        """The workers report for themselves."""

    # signals

    def more_workers(self) -> None:
        self._log.info("SIGTTIN: one worker more, %d", len(self._supervisor.seats) + 1)
        self._supervisor.resize(len(self._supervisor.seats) + 1)

    def fewer_workers(self) -> None:
        if len(self._supervisor.seats) <= 1:
            self._log.info("SIGTTOU: the last worker stays")
            return
        self._log.info("SIGTTOU: one worker fewer, %d", len(self._supervisor.seats) - 1)
        self._supervisor.resize(len(self._supervisor.seats) - 1)

    def reopen_logs(self) -> None:
        for member in self._members.values():
            member.order(Order.REOPEN)

    def suspend(self) -> None:
        for member in self._members.values():
            member.signal(signal.SIGSTOP)

    def resume(self) -> None:
        for member in self._members.values():
            member.signal(signal.SIGCONT)
