"""What a worker with the engine does whoever leads it: its loop, its clock, its figures, and its fair share.

Who leads is the subclass's affair: our own server process by orders (`Duty`), or gunicorn's arbiter by signals.
"""

from __future__ import annotations

import abc
import dataclasses
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

from hotswap.crew.share import Share
from hotswap.crew.tied import TiedEngine
from hotswap.engine import InFlight, Service
from hotswap.engine.limits import from_settings
from hotswap.engine.model import Log
from hotswap.system.exchange import Exchange
from hotswap.system.scoreboard import Scoreboard, Slot
from hotswap.system.signals import SignalQueue
from hotswap.system.waiter import Timer, Waiter

#: How often the heartbeat is given, counters are written and the parent is looked at; and while leaving (seconds).
TICK, LEAVING_TICK = 0.5, 0.05

#: What a worker handles; SIGTSTP keeps its own way, for the shell's Ctrl-Z means the whole group.
WORKER_SIGNALS = (
    signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGUSR1,
    signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH,
)  # fmt: skip


class Shift(abc.ABC):
    """The main thread of a worker. `worker` is gunicorn's object; `name` is what the log calls it.

    `receiving()` says whether somebody takes what this worker sends; by default the scoreboard does.
    """

    def __init__(
        self,
        worker: Any,
        name: str,
        cfg: Any,
        log: Log,
        signals: SignalQueue,
        services: Sequence[Service],
        exchange: Exchange,
        board: Scoreboard,
        slot: Slot,
        receiving: Callable[[], bool] | None = None,
    ) -> None:
        self._worker = worker
        self._name = name
        self._cfg = cfg
        self._log = log
        self._signals = signals
        self._board = board
        self._slot = slot
        self._state = ""
        self._over = False
        self._deadline: Timer | None = None
        self._waiter = Waiter()
        limits = from_settings(cfg)
        self._share = Share(board, slot, limits.threads)
        self._tied = TiedEngine(
            services, cfg, log, exchange, board, self._later, self._look_again,
            fair=self._share.allows,
            multiprocess=True,
            limits=dataclasses.replace(limits, accepts=1),
            worker=worker,
            receiving=receiving,
        )  # fmt: skip
        worker.answered = lambda: self._tied.engine.counters.requests

    # whoever leads it

    @abc.abstractmethod
    def _orphaned(self) -> None:
        """The parent is gone; called at every tick."""

    @abc.abstractmethod
    def _ask_to_leave(self, reason: str) -> None:
        """This worker has served enough; called at every tick while it serves."""

    @abc.abstractmethod
    def _look(self) -> None:
        """While leaving: go when nothing is left. Called at every tick, and when something has ended."""

    @abc.abstractmethod
    def _act(self, number: signal.Signals) -> None:
        """A signal has come."""

    @abc.abstractmethod
    def _hammer(self) -> list[InFlight]:
        """End by force, and with it the loop; returns what was cut."""

    # the loop

    def _turn(self) -> None:
        try:
            self._waiter.wait()
        except Exception:  # noqa: BLE001  clients are being served: one thing that fails must not end that
            self._log.exception("%s serves on after an error in its main loop", self._name)

    def _later(self, seconds: float, callback: Callable[[], object]) -> None:
        self._waiter.call(lambda: self._waiter.later(seconds, callback))

    def _look_again(self) -> None:
        """From the engine's threads: there may be nothing left to do."""
        self._waiter.call(self._look)

    def _show(self, state: str) -> None:
        """The slot is what other processes decide by."""
        self._state = state
        self._slot.set_state(state)

    @property
    def _leaves(self) -> bool:
        return self._state in ("retiring", "draining")

    def _on_signals(self) -> None:
        for number in self._signals.take():
            self._log.debug("%s received %s", self._name, number.name)
            self._act(number)

    # the clock

    def _tick(self) -> None:
        self._waiter.later(self._interval, self._tick)
        self._worker.notify()
        if os.getppid() != self._worker.ppid:
            self._orphaned()
        self._tied.report(self._slot)
        if self._state == "serving":
            self._level()
            if reason := self._why_leave():
                self._ask_to_leave(reason)
        self._look()

    @property
    def _interval(self) -> float:
        return LEAVING_TICK if self._leaves else TICK

    def _why_leave(self) -> str:
        """Why this worker should be replaced, "" if it should not."""
        requests = self._tied.engine.counters.requests
        return f"max_requests: {requests} requests answered" if requests >= self._worker.max_requests else ""

    def _level(self) -> None:
        """Leave to siblings what is more than our share, and while no thread is free here, all that they can take."""
        was_stuck = self._share.stuck
        counters = self._tied.engine.counters
        excess = self._share.excess(self._tied.connections, counters.in_flight)
        if self._share.stuck != was_stuck:
            self._tied.welcome(not self._share.stuck)
        if excess:
            self._tied.level(excess)
            self._tied.report(self._slot)
        if self._tied.waiting:
            self._tied.keep()

    # the end

    def _set_deadline(self, seconds: float) -> None:
        if seconds > 0:
            self._deadline = self._waiter.later(seconds, self._too_late)

    def _too_late(self) -> None:
        now = time.monotonic()
        for request in self._hammer():
            self._log.warning("cut %s %s after %.1f s", request.method, request.path, now - request.started)

    def _quit(self) -> None:
        self._cfg.worker_int(self._worker)
        self._too_late()

    def _abort(self) -> None:
        self._worker.alive = False
        self._cfg.worker_abort(self._worker)
        raise SystemExit(1)
