"""Takes the lead away from a thread that is stuck in an application's call."""

from __future__ import annotations

import threading
from time import clock_gettime, monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hotswap.engine.connection import Connection
    from hotswap.engine.core import Core
    from hotswap.engine.pace import Pace
    from hotswap.engine.threads import Threads
    from hotswap.engine.turns import Turns

_LOOK = 0.005  # seconds between two looks while calls are quick
_CLOSE_LOOK = 0.00005  # and while some of them block
_SECOND_LOOK = 0.00001  # then, once a call is seen: that this thread could look means that the caller let go of the GIL
_QUIET_LOOKS = 20  # without any request, before it sleeps
_STILL = 0.000004  # seconds of CPU time between two looks: less, and the thread waits for something
_PR_SET_TIMERSLACK = 29


class Monitor:
    """A thread that looks twice: the same request running at both looks is stuck. It sleeps when nothing runs."""

    def __init__(self, core: Core, turns: Turns, threads: Threads, pace: Pace) -> None:
        self._core = core
        self._turns = turns
        self._threads = threads
        self._pace = pace
        self._bell = threading.Lock()
        self._bell.acquire()
        self._seen = -1  # the turn that ran at the last look
        self._since = 0.0  # when it was first seen, and the leader's CPU time then
        self._cpu = 0.0
        self._first = False  # whether the last look was the first at a call
        self._quiet = 0
        self._precise = False
        turns.wake_monitor = self.wake

    def start(self) -> None:
        threading.Thread(target=self._run, name="hotswap-monitor", daemon=True).start()

    def wake(self) -> None:
        """A request begins and the monitor sleeps, or one begins that needs a close look; or the engine stops."""
        self._turns.monitor_sleeps = False
        try:
            self._bell.release()
        except RuntimeError:  # rung already
            pass

    def _run(self) -> None:
        while not self._core.stopped:
            close = self._pace.often(monotonic())
            if close and not self._precise:
                self._precise = True
                _sharpen_timer()
            self._bell.acquire(timeout=self._pause(close))
            try:
                self._round()
            except Exception:  # nobody else looks after a stuck leader
                self._core.log.exception("the engine's monitor failed and goes on")

    def _round(self) -> None:
        try:
            running = self._threads.slot[0]
        except IndexError:
            self._nothing_runs()
        else:
            self._quiet = 0
            self._look(running, monotonic())

    def _pause(self, close: bool) -> float:
        """Seconds until the next look."""
        if not close:
            return _LOOK
        return _SECOND_LOOK if self._first else _CLOSE_LOOK

    def _look(self, running: Connection, now: float) -> None:
        turn = self._turns.turns
        if turn != self._seen:
            self._seen, self._since, self._cpu = turn, now, self._leader_cpu()
            self._first = True
            return
        self._first = False
        waits = self._leader_cpu() - self._cpu < _STILL
        # One that computes gets its time even at a close look: another leader would only fight it for the GIL.
        if not waits and now - self._since < _LOOK:
            return
        request = running.request
        if self._threads.give_up(running):
            self._core.counters.steals += 1
            if request is not None:
                self._pace.note(request.path, waits, turn)

    def _leader_cpu(self) -> float:
        try:
            return clock_gettime(self._turns.leader_clock)
        except OSError:  # that thread has ended
            return 0.0

    def _nothing_runs(self) -> None:
        turn = self._turns.turns
        self._first = False
        self._quiet = self._quiet + 1 if turn == self._seen else 0
        self._seen = turn
        if self._quiet <= _QUIET_LOOKS:
            return
        self._quiet = 0
        self._turns.monitor_sleeps = True
        # The leader asks only after it has begun a request: one that began before the flag stood is seen here.
        if self._turns.turns == turn and not self._core.stopped:
            self._bell.acquire()
        self._turns.monitor_sleeps = False


def _sharpen_timer() -> None:
    """Let this thread's timers fire within a nanosecond of their time, not within 50 µs: prctl(2),
    PR_SET_TIMERSLACK.
    """
    import ctypes  # not at import: most servers never come here

    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
