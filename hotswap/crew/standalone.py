"""A worker's life under gunicorn's own arbiter, which says nothing but signals: whom a worker leaves its connections to
it has to see for itself, on the scoreboard.

What a SIGTERM means there is told by who else is there:

- a younger worker boots: gunicorn reloads. It has forked the new one and told the old one to go at once, so the old one
  serves on until the new one does;
- somebody receives: TTOU, or the end of a reload. Connections go to whoever receives;
- nobody does: gunicorn stops. What runs is finished, the rest is closed.

A worker that leaves by itself (max_requests) knows that it will be replaced, once it has gone: if nobody receives, it
leaves its connections in the exchange, which the arbiter holds open, for the next one.
"""

from __future__ import annotations

import contextlib
import enum
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from hotswap.crew.ground import Ground
from hotswap.crew.shift import LEAVING_TICK, Shift
from hotswap.engine import InFlight, Service
from hotswap.engine.model import Application
from hotswap.events import draining
from hotswap.system.listeners import bound_text
from hotswap.system.scoreboard import Slot
from hotswap.system.signals import SignalQueue

#: What is kept of graceful_timeout for the own end: after it gunicorn kills, and nobody says what was cut (seconds).
MARGIN = 0.5
#: And for what still runs when a younger worker has been waited for long enough (seconds).
FINISH = 5.0
#: With nobody else to serve, a worker that is spent does not go while a request runs that takes longer than this
#: (seconds): until it has ended nobody would accept.
LONG = 0.5
#: How long after the end of a younger worker that never served the arbiter is given to say that it stops (seconds).
SECOND_WORD = 1.0
#: The exchange is full if for so long nothing more could be left there (seconds).
FULL = 1.0


class Wish(enum.Enum):
    """Why this worker is to leave."""

    NONE = "none"
    TOLD = "told"  # by SIGTERM: the arbiter may stop, or have others
    SPENT = "spent"  # by itself: another one follows


class Standalone(Shift):
    """Runs one tied engine as gunicorn's contract asks. `worker` is gunicorn's object, as forked and loaded."""

    def __init__(self, worker: Any, ground: Ground, slot: Slot, signals: SignalQueue) -> None:
        self._ground = ground
        self._wish = Wish.NONE
        self._since = 0.0
        self._saw_boot: float | None = None
        self._left_behind = False
        self._stuck_since: float | None = None
        services = _services([listener.sock for listener in worker.sockets], worker.wsgi)
        self._keys = [service.key for service in services]
        super().__init__(
            worker, f"worker {os.getpid()}", worker.cfg, worker.log, signals, services,
            ground.exchange, ground.board, slot, self._receives,
        )  # fmt: skip

    def run(self) -> None:
        """Serve until told to leave and nothing is left."""
        with contextlib.closing(self._waiter):
            self._tied.start()
            self._waiter.watch(self._signals.fileno(), self._on_signals)
            self._waiter.call(self._on_signals)
            if self._worker.alive or self._ground.boots(after=self._worker.age):
                self._tied.open()
                self._show("serving")
                self._log.info("Worker serving (pid: %s)", os.getpid())
            if not self._worker.alive:
                # gunicorn's handler has taken the signal, while the application was loaded.
                self._told("SIGTERM")
            self._tick()
            while not self._over:
                self._turn()
            for listener in self._worker.sockets:
                listener.close()
            self._tied.report(self._slot)
            self._tied.stop()
            self._slot.release()

    # why

    def _why_leave(self) -> str:
        # The application's hooks, and gunicorn's reloader, have no other way to end a worker.
        return super()._why_leave() or ("" if self._worker.alive else "its `alive` is false")

    def _ask_to_leave(self, reason: str) -> None:
        if self._wish is Wish.NONE:
            self._wants(Wish.SPENT, reason)

    def _told(self, reason: str) -> None:
        """By gunicorn, and as often as it likes."""
        self._worker.alive = False
        self._saw_boot = None
        self._limit()
        if self._wish is not Wish.TOLD:
            self._wants(Wish.TOLD, reason)
        self._waiter.later(0, self._look)

    def _wants(self, wish: Wish, reason: str) -> None:
        self._wish, self._since = wish, time.monotonic()
        self._log.info("Worker is to leave (pid: %s): %s", os.getpid(), reason)
        if self._state == "serving":
            # It still accepts and receives, but is not one to count on.
            self._slot.set_state("handing-over")

    def _limit(self) -> None:
        if self._deadline is None:
            self._set_deadline(self._patience)

    @property
    def _patience(self) -> float:
        """How long it may take to leave (seconds)."""
        limit = float(self._cfg.graceful_timeout)
        return max(limit - MARGIN, limit / 2)

    # when

    @property
    def _interval(self) -> float:
        return super()._interval if self._wish is Wish.NONE else LEAVING_TICK

    def _look(self) -> None:
        if self._wish is Wish.NONE or self._over:
            return
        if not self._leaves:
            if self._serves_on():
                return
            self._leave()
        self._consider()
        self._tied.flush()
        if self._tied.empty():
            self._over = True

    def _serves_on(self) -> bool:
        """Whether it is better for clients that this worker stays a little longer."""
        waited = time.monotonic() - self._since
        if self._wish is Wish.TOLD:
            limit = float(self._cfg.graceful_timeout)
            return waited < max(limit - FINISH, limit / 2) and self._waits_for_younger()
        if waited > self._patience:
            return False
        # One at a time, as far as that can be seen: else nobody might be left to serve.
        if self._ground.boots() or self._ground.leaves():
            return True
        return not self._board.receiving() and self._is_long_busy(waited)

    def _waits_for_younger(self) -> bool:
        """Whether a younger worker is about to serve, or will soon be, for want of the one that was."""
        now = time.monotonic()
        if self._ground.boots(after=self._worker.age):
            self._saw_boot = now
            return True
        if self._saw_boot is None or self._board.receiving() or self._ground.births.any_told(self._worker.age):
            return False
        if now - self._saw_boot < SECOND_WORD:
            # It has ended. Where that ends gunicorn (exit codes 3 and 4), another SIGTERM comes.
            return True
        self._wish = Wish.SPENT
        return False

    def _is_long_busy(self, waited: float) -> bool:
        """Whether a request runs that takes long; one that has just begun is given the time to show it."""
        now = time.monotonic()
        running = [now - request.started for request in self._tied.engine.in_flight()]
        return bool(running) and (waited < LONG or max(running) > LONG)

    # how

    def _receives(self) -> bool:
        """Whether somebody will take what is sent; asked by the engine's threads too."""
        return self._left_behind or self._board.receiving()

    def _leave(self) -> None:
        # First, so that nobody counts on us, then the question who is there.
        self._show("retiring")
        draining.set()
        self._limit()
        self._consider()
        if self._state == "retiring":
            self._log.info("Worker retiring (pid: %s): others get its connections", os.getpid())
            self._tied.retire(self._keys)

    def _consider(self) -> None:
        """While leaving: is there still somebody to leave the connections to, now or soon?"""
        if self._state != "retiring":
            return
        self._left_behind = self._wish is Wish.SPENT or self._ground.boots(after=self._worker.age)
        if not self._receives():
            self._drain()
        elif self._is_full():
            self._log.warning("the exchange is full: %d connections are drained", self._tied.waiting)
            self._drain(queue=False)

    def _is_full(self) -> bool:
        """Whether more is to be left behind than there is room for."""
        if not self._tied.waiting or self._board.receiving():
            self._stuck_since = None
        elif self._stuck_since is None:
            self._stuck_since = time.monotonic()
        return self._stuck_since is not None and time.monotonic() - self._stuck_since > FULL

    def _drain(self, *, queue: bool = True) -> None:
        self._show("draining")
        draining.set()
        self._log.info("Worker draining (pid: %s): nobody takes its connections", os.getpid())
        self._tied.drain(queue=queue)

    def _orphaned(self) -> None:
        """The arbiter is gone. All its workers leave, so nobody receives: nobody would ever reload or stop them."""
        if self._state == "draining" or self._over:
            return
        self._log.warning("Worker finishes and leaves (pid: %s): its arbiter is gone", os.getpid())
        self._wish = Wish.TOLD
        self._limit()
        self._left_behind = False
        self._drain()

    def _hammer(self) -> list[InFlight]:
        self._over = True
        return self._tied.hammer()

    # signals

    def _act(self, number: signal.Signals) -> None:
        _SIGNALS[number](self)

    def _reopen(self) -> None:
        self._worker.log.reopen_files()


def _services(listeners: Sequence[socket.socket], app: Application) -> list[Service]:
    return [Service(bound_text(sock), sock, app, _server_name(sock)) for sock in listeners]


def _server_name(sock: socket.socket) -> tuple[str, str]:
    """SERVER_NAME and SERVER_PORT (PEP 3333)."""
    name = sock.getsockname()
    return (name[0], str(name[1])) if isinstance(name, tuple) else (os.fsdecode(name), "")


_SIGNALS: dict[signal.Signals, Callable[[Standalone], object]] = {
    signal.SIGTERM: lambda worker: worker._told("SIGTERM"),
    signal.SIGINT: Standalone._quit,
    signal.SIGQUIT: Standalone._quit,
    signal.SIGABRT: Standalone._abort,
    signal.SIGUSR1: Standalone._reopen,
}
