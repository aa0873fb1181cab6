"""The main loop of a worker under gunicorn's own arbiter, which says nothing but signals: to which process a worker
leaves its connections it has to see for itself, on the scoreboard.

What a SIGTERM means there depends on which other workers there are:

- a younger worker boots: gunicorn reloads. It has forked the new one and told the old one to go at once, so the old one
  serves on until the new one does;
- another worker receives: TTOU, or the end of a reload. Connections go to the workers that receive;
- no worker does: gunicorn stops. What runs is finished, the rest is closed.

A worker that leaves by itself (max_requests) knows that it will be replaced, once it has gone: if no worker receives,
it leaves its connections in the exchange, which the arbiter holds open, for the next one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from typing import ClassVar

from hotswap.lifecycle.leave_policy import LeaveMode, LeavePolicy
from hotswap.lifecycle.worker_decisions import DECIDES, ArbiterFacts, another_follows, decide
from hotswap.lifecycle.worker_states import WorkerAction, WorkerEvent, WorkerState
from hotswap.scoreboard import Slot
from hotswap.settings.options import LeaveOptions
from hotswap.system.signals import SignalQueue
from hotswap.workers.gunicorn_worker import CountingWorker
from hotswap.workers.native.arbiter_shared import ArbiterShared
from hotswap.workers.native.worker_loop import COMMON_ACTIONS, LEAVING_TICK, LoopContext, WorkerLoop
from hotswap.workers.services import services_of_sockets


class GunicornLoop(WorkerLoop):
    """Turns signals, and what stands on the scoreboard, into events. `worker` is gunicorn's object."""

    def __init__(self, worker: CountingWorker, shared: ArbiterShared, slot: Slot, signals: SignalQueue) -> None:
        self._shared = shared
        #: when a younger worker was last seen booting, since the last SIGTERM (time.monotonic)
        self._saw_boot: float | None = None
        #: since when no more could be left in the exchange
        self._stuck_since: float | None = None
        #: what stays in the exchange will be received; the engine's threads read it
        self._another_follows = False
        services = services_of_sockets([listener.sock for listener in worker.sockets], worker.wsgi)
        self._keys = [service.key for service in services]
        loop = LoopContext(
            name=f"worker {os.getpid()}",
            cfg=worker.cfg,
            log=worker.log,
            services=services,
            exchange=shared.exchange,
            board=shared.board,
            slot=slot,
            leave=LeavePolicy.of(LeaveOptions.from_config(worker.cfg)),
        )
        super().__init__(worker, loop, signals, self._receives)

    def run(self) -> None:
        """Serve until told to leave and nothing is left. Returns; what goes wrong on the way is logged."""
        with contextlib.closing(self._loop):
            self._node.start()
            self._loop.watch(self._signals.fileno(), self._on_signals)
            self._loop.call(self._on_signals)
            if self._worker.alive or self._shared.boots(after=self._worker.age):
                self._dispatch(WorkerEvent.ACCEPT)
            if not self._worker.alive:
                # gunicorn's handler has taken the signal, while the application was loaded.
                self._on_signal(signal.SIGTERM)
            self._tick()
            while self._state is not WorkerState.GONE:
                self._turn()
            for listener in self._worker.sockets:
                listener.close()
            self._node.report(self._slot)
            self._node.stop()
            self._slot.release()

    def _look(self) -> None:
        if (event := self._decide()) is not None:
            self._dispatch(event)
        if not self._leaves or self._state is WorkerState.GONE:
            return
        self._node.flush()
        if self._node.empty() and self._node.shut_down_apps():
            self._dispatch(WorkerEvent.EMPTY)

    @property
    def _interval(self) -> float:
        return LEAVING_TICK if self._state in DECIDES else super()._interval

    # what happens

    def _on_signal(self, number: signal.Signals) -> None:
        if number == signal.SIGTERM:
            self._why = number.name
        self._dispatch(_SIGNALS[number])

    def _why_leave(self) -> str:
        # The application's hooks, and gunicorn's reloader, have no other way to end a worker.
        return super()._why_leave() or ("" if self._worker.alive else "its `alive` is false")

    def _served_enough(self, reason: str) -> None:
        self._why = reason
        self._dispatch(WorkerEvent.SPENT)

    def _parent_is_gone(self) -> None:
        self._dispatch(WorkerEvent.ARBITER_GONE)

    # the other workers

    def _receives(self) -> bool:
        """Whether another worker takes what is sent, now or later; asked by the engine's threads too."""
        return self._another_follows or self._others_receive()

    def _decide(self) -> WorkerEvent | None:
        if self._state not in DECIDES:
            return None
        facts = self._facts()
        self._another_follows = another_follows(facts)
        return decide(facts, self._leave_policy)

    def _facts(self) -> ArbiterFacts:
        now = time.monotonic()
        # In this order: a worker that begins to serve in between is seen twice, and not overlooked.
        younger_boots = self._shared.boots(after=self._worker.age)
        any_boots = younger_boots or self._shared.boots()
        receiving = self._others_receive()
        if younger_boots:
            self._saw_boot = now
        running = [now - request.started for request in self._node.engine.in_flight()]
        return ArbiterFacts(
            state=self._state,
            waited_s=now - self._since,
            any_boots=any_boots,
            younger_boots=younger_boots,
            younger_stopped=self._shared.boot_board.any_stop_requested(self._worker.age),
            seen_boot_s=None if self._saw_boot is None else now - self._saw_boot,
            another_leaves=self._shared.leaves(),
            receiving=receiving,
            longest_s=max(running, default=None),
            stuck_s=self._stuck_for(now, receiving),
        )

    def _stuck_for(self, now: float, receiving: bool) -> float:
        """For how long more was to be left in the exchange than there is room for (seconds)."""
        if receiving or not self._node.waiting:
            self._stuck_since = None
            return 0.0
        if self._stuck_since is None:
            self._stuck_since = now
        return now - self._stuck_since

    # actions

    def _open(self) -> None:
        self._accept()
        self._log.info("Worker serving (pid: %s)", os.getpid())

    def _note_stop(self) -> None:
        self._worker.alive = False
        self._saw_boot = None

    def _say_why(self) -> None:
        self._log.info("Worker is to leave (pid: %s): %s", os.getpid(), self._why)

    def _say_orphaned(self) -> None:
        self._log.warning("Worker finishes and leaves (pid: %s): its arbiter is gone", os.getpid())

    def _hand_over(self) -> None:
        # The slot says first that this worker leaves, so that no other counts on it; then the question which others are
        # there has an answer that stays true.
        if (event := self._decide()) is not None:
            self._dispatch(event)
            return
        self._log.info("Worker retiring (pid: %s): others get its connections", os.getpid())
        self._node.retire(self._keys)

    def _drain(self) -> None:
        self._another_follows = False
        self._log.info("Worker draining (pid: %s): no other worker takes its connections", os.getpid())
        self._node.drain()

    def _drain_own(self) -> None:
        self._log.warning("the exchange is full: %d connections are drained", self._node.waiting)
        self._node.drain(queue=False)

    _ACTIONS: ClassVar[dict[WorkerAction, Callable[[GunicornLoop], object]]] = {
        **COMMON_ACTIONS,
        WorkerAction.OPEN: _open,
        WorkerAction.NOTE_STOP: _note_stop,
        WorkerAction.SAY_WHY: _say_why,
        WorkerAction.SAY_ORPHANED: _say_orphaned,
        WorkerAction.LIMIT_DRAINING: lambda loop: loop._limit(LeaveMode.UNDER_ARBITER),
        WorkerAction.HAND_OVER: _hand_over,
        WorkerAction.DRAIN: _drain,
        WorkerAction.DRAIN_OWN: _drain_own,
        WorkerAction.REOPEN_LOGS: lambda loop: loop._worker.log.reopen_files(),
    }


_SIGNALS: dict[signal.Signals, WorkerEvent] = {
    signal.SIGTERM: WorkerEvent.STOP,
    signal.SIGINT: WorkerEvent.QUIT,
    signal.SIGQUIT: WorkerEvent.QUIT,
    signal.SIGABRT: WorkerEvent.ABRT,
    signal.SIGUSR1: WorkerEvent.USR1,
}
