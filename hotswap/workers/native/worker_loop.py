"""What both main loops of a worker with the engine do: the state machine, the clock, the figures, the fair share.

The subclasses know which process leads the worker: our own server process, by orders (`SupervisedLoop`), or gunicorn's
arbiter, by signals (`GunicornLoop`). They turn what they hear into events; `hotswap.lifecycle.worker_transitions` says
what an event does; the methods here and there carry the actions out.
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from hotswap.callbacks import CALLBACKS, draining
from hotswap.engine import EngineHost, InFlight, Limits, Logger, Service
from hotswap.handover.balance import FairShare
from hotswap.handover.engine_node import HandoverEngine
from hotswap.handover.exchange import Exchange
from hotswap.handover.peers import Peers
from hotswap.lifecycle.leave_policy import LeaveMode, LeavePolicy
from hotswap.lifecycle.states import State
from hotswap.lifecycle.worker_states import (
    LEAVING_STATES,
    SERVING_STATES,
    SHOWN,
    WorkerAction,
    WorkerEvent,
    WorkerState,
)
from hotswap.lifecycle.worker_transitions import worker_transition
from hotswap.repeated_errors import RepeatedErrors
from hotswap.scoreboard import Scoreboard, Slot
from hotswap.settings.options import EngineOptions
from hotswap.system.main_loop import MainLoop, Timer
from hotswap.system.signals import SignalQueue
from hotswap.workers.engines import make_engine, most_at_once
from hotswap.workers.gunicorn_worker import CountingWorker

#: How often the heartbeat is given, counters are written and the parent is looked at; and while leaving (seconds).
TICK, LEAVING_TICK = 0.5, 0.05

#: What a worker handles; SIGTSTP keeps its own way, for the shell's Ctrl-Z means the whole group.
WORKER_SIGNALS = (
    signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGUSR1,
    signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class LoopContext:
    """What a worker's main loop works with. `name` is what the log calls the worker; `cfg` is gunicorn's Config."""

    name: str
    cfg: Any
    log: Logger
    services: Sequence[Service]
    exchange: Exchange
    board: Scoreboard
    slot: Slot
    leave: LeavePolicy


class WorkerLoop(abc.ABC):
    """The main thread of a worker. `worker` is gunicorn's object, as forked and loaded.

    `receiving()` says whether another process takes what this worker sends; by default the scoreboard does.
    """

    #: What the subclass does for each action that the table has for it.
    _ACTIONS: ClassVar[dict[WorkerAction, Callable[[Any], object]]] = {}

    def __init__(
        self,
        worker: CountingWorker,
        context: LoopContext,
        signals: SignalQueue,
        receiving: Callable[[], bool] | None = None,
    ) -> None:
        self._worker = worker
        self._name = context.name
        self._cfg = context.cfg
        self._log = context.log
        self._errors = RepeatedErrors(context.log)
        self._signals = signals
        self._board = context.board
        self._slot = context.slot
        self._leave_policy = context.leave
        self._state = WorkerState.BOOTING
        #: when it came to be in this state (time.monotonic)
        self._since = time.monotonic()
        #: why this worker should be replaced, or is to leave
        self._why = ""
        self._deadline: Timer | None = None
        #: where its event loop was blocked at the last tick
        self._hangs_at = ""
        self._loop = MainLoop()
        options = EngineOptions.from_config(context.cfg)
        limits = Limits.from_options(options)
        self._share = FairShare(context.board, context.slot, most_at_once(context.services, limits))
        host = EngineHost(
            context.log, self._look_again, hook_worker=worker, multiprocess=True, counters=worker.counters
        )
        engine = make_engine(context.services, options, host, limits._replace(accepts=1))
        peers = Peers(context.exchange, receiving or self._others_receive, self._loop.call_later, self._share.allows)
        self._node = HandoverEngine(engine, context.services, peers)

    # the machine

    def _dispatch(self, event: WorkerEvent) -> None:
        """Look up what the event does, then do it: `worker_transitions` has the rules."""
        step = worker_transition(self._state, event)
        if step.says:
            self._log.info("%s: %s", self._name, step.says)
        if step.next is not self._state:
            self._enter(step.next)
        for action in step.actions:
            try:
                self._ACTIONS[action](self)
            except Exception:  # noqa: BLE001  it must not keep the worker from what is to be done behind it
                self._log.exception("%s goes on after an error (%s)", self._name, action.value)

    def _enter(self, state: WorkerState) -> None:
        before, self._state, self._since = self._state, state, time.monotonic()
        if state is not WorkerState.GONE and SHOWN[state] is not SHOWN[before]:
            self._show(SHOWN[state])

    def _show(self, state: State) -> None:
        """The slot is what other processes decide by."""
        self._slot.set_state(state.value)

    @property
    def _leaves(self) -> bool:
        return self._state in LEAVING_STATES

    # the loop

    def _turn(self) -> None:
        """Clients are being served: one thing that fails must not end that."""
        self._loop.wait(lambda: self._errors.exception("%s serves on after an error in its main loop", self._name))

    def _look_again(self) -> None:
        """From the engine's threads: there may be nothing left to do."""
        self._loop.call(self._look)

    @abc.abstractmethod
    def _look(self) -> None:
        """While leaving: go when nothing is left. Called at every tick, and when something has ended."""

    def _on_signals(self) -> None:
        for number in self._signals.take():
            self._log.debug("%s received %s", self._name, number.name)
            if number != signal.SIGTERM:  # that is told when this worker begins to leave, for whatever reason
                self._tell_loops(number)
            self._on_signal(number)

    @abc.abstractmethod
    def _on_signal(self, number: signal.Signals) -> None:
        """Dispatch what this signal means to a worker that is led this way."""

    # the clock

    def _tick(self) -> None:
        self._loop.later(self._interval, self._tick)
        self._beat()
        if os.getppid() != self._worker.ppid:
            self._parent_is_gone()
        self._node.report(self._slot)
        if self._state in SERVING_STATES:
            self._rebalance()
        if self._state is WorkerState.SERVING and (reason := self._why_leave()):
            self._served_enough(reason)
        self._look()

    def _beat(self) -> None:
        """Give the heartbeat; but one that serves gives none while the application holds its event loop up: then nobody
        is served here. When it leaves, there are deadlines for that."""
        self._hangs_at = "" if self._leaves else self._node.engine.hangs_at()
        if not self._hangs_at:
            self._worker.notify()

    @property
    def _interval(self) -> float:
        return LEAVING_TICK if self._leaves else TICK

    @abc.abstractmethod
    def _parent_is_gone(self) -> None:
        """Called at every tick once the parent has ended."""

    @abc.abstractmethod
    def _served_enough(self, reason: str) -> None:
        """Called at a tick of a worker that serves."""

    def _why_leave(self) -> str:
        """Why this worker should be replaced, "" if it should not."""
        requests = self._node.engine.counters.requests
        return f"max_requests: {requests} requests answered" if requests >= self._worker.max_requests else ""

    def _rebalance(self) -> None:
        """Leave to siblings what is more than our share, and while no thread is free here, all that they can take."""
        was_stuck = self._share.stuck
        counters = self._node.engine.counters
        excess = self._share.excess(self._node.connections, counters.in_flight)
        if self._share.stuck != was_stuck:
            self._node.set_accepting(not self._share.stuck)
        if excess:
            self._node.rebalance(excess)
            self._node.report(self._slot)
        if self._node.waiting:
            self._node.retry_unsent()

    def _others_receive(self) -> bool:
        """Whether another process polls the exchange; any thread may ask."""
        with contextlib.suppress(OSError):  # the kernel has no memory to say which process holds a lock
            return self._board.receiving()
        return False

    # actions that both have

    def _accept(self) -> None:
        """Open the engine. A worker that cannot is of no use where it is: it ends, and another takes its place."""
        try:
            self._node.open()
        except Exception:  # noqa: BLE001  whatever it is
            self._log.exception("%s cannot accept", self._name)
            raise SystemExit(1) from None

    def _tell_application(self) -> None:
        draining.set()
        self._tell_loops(signal.SIGTERM)

    def _tell_loops(self, number: signal.Signals) -> None:
        """For what the application has given to `loop.add_signal_handler`."""
        for call in CALLBACKS.for_loops(number):
            call()

    def _look_soon(self) -> None:
        self._loop.later(0, self._look)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _limit(self, mode: LeaveMode) -> None:
        """DEADLINE comes when leaving has taken as long as it may in this mode; from now on, if not set before."""
        seconds = self._leave_policy.limit_s(mode)
        if self._deadline is None and seconds is not None:
            self._deadline = self._loop.later(seconds, lambda: self._dispatch(WorkerEvent.DEADLINE))

    def _hammer(self) -> list[InFlight]:
        """End by force; returns what was cut."""
        return self._node.hammer()

    def _cut(self) -> None:
        now = time.monotonic()
        for request in self._hammer():
            self._log.warning("cut %s %s after %.1f s", request.method, request.path, now - request.started)

    def _call_int_hook(self) -> None:
        self._call_hook("worker_int")

    def _abort(self) -> None:
        self._worker.alive = False
        if self._hangs_at:
            self._log.error("%s: its event loop is blocked; it is here:\n%s", self._name, self._hangs_at)
        self._call_hook("worker_abort")
        raise SystemExit(1)

    def _call_hook(self, name: str) -> None:
        """A hook of gunicorn's that is called right before the end; one that fails does not keep the worker from it."""
        try:
            getattr(self._cfg, name)(self._worker)
        except Exception:  # noqa: BLE001  the user's code
            self._log.exception("the %s hook failed", name)


#: What both loops do for an action.
COMMON_ACTIONS: dict[WorkerAction, Callable[[Any], object]] = {
    WorkerAction.IGNORE: lambda loop: None,
    WorkerAction.TELL_APPLICATION: WorkerLoop._tell_application,
    WorkerAction.LOOK_SOON: WorkerLoop._look_soon,
    WorkerAction.CALL_INT_HOOK: WorkerLoop._call_int_hook,
    WorkerAction.CUT: WorkerLoop._cut,
    WorkerAction.HAMMER: lambda loop: loop._hammer(),
    WorkerAction.ABORT: WorkerLoop._abort,
}
