"""Takes the lead away from a thread that is stuck in an application's call."""

from __future__ import annotations

import threading
from time import clock_gettime, monotonic, sleep
from typing import TYPE_CHECKING

from hotswap.engine.connections.state import BREATH

if TYPE_CHECKING:
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.connections.state import EngineState
    from hotswap.engine.wsgi.blocking_routes import BlockingRoutes
    from hotswap.engine.wsgi.thread_pool import ThreadPool

_LOOK = 0.005  # seconds between two looks while calls are quick
_CLOSE_LOOK = 0.00005  # and while some of them block
_SECOND_LOOK = 0.00001  # then, once a call is seen: that this thread could look means that the caller let go of the GIL
_QUIET_LOOKS = 20  # without any request, before it sleeps
_STILL = 0.000004  # seconds of CPU time between two looks: less, and the thread waits for something
_PR_SET_TIMERSLACK = 29


class StallMonitor:
    """A thread that looks twice: the same request running at both looks is stuck. It sleeps when nothing runs."""

    __slots__ = (
        "_bell", "_cpu", "_first", "_pool", "_precise", "_quiet", "_routes", "_seen", "_since", "_state", "sleeps",
    )  # fmt: skip

    def __init__(self, state: EngineState, pool: ThreadPool, routes: BlockingRoutes) -> None:
        self._state = state
        self._pool = pool
        self._routes = routes
        self._bell = threading.Lock()
        self._bell.acquire()
        self._seen = -1  # the turn that ran at the last look
        self._since = 0.0  # when it was first seen
        self._cpu = 0.0  # the leader's CPU time at the last look
        self._first = False  # whether the last look was the first at a call
        self._quiet = 0
        self._precise = False
        self.sleeps = False  # and is to be woken by the leader when a request begins

    def start(self) -> None:
        """Start its thread."""
        threading.Thread(target=self._run, name="hotswap-monitor", daemon=True).start()

    def wake(self) -> None:
        """A request begins while it sleeps, or one that needs a close look; or the engine stops. From any thread."""
        self.sleeps = False
        try:
            self._bell.release()
        except RuntimeError:  # rung already
            pass

    def _run(self) -> None:
        while not self._state.stopped:
            try:
                self._rest()
                self._look()
            except Exception:  # noqa: BLE001  no other thread looks after a stuck leader
                self._state.errors.exception("the engine's monitor failed and goes on")
                sleep(BREATH)

    def _rest(self) -> None:
        close = self._routes.often_block(monotonic())
        if close and not self._precise:
            self._precise = True
            _sharpen_timer()
        self._bell.acquire(timeout=self._pause(close))

    def _look(self) -> None:
        running = self._pool.token.running()
        if running is None:
            self._nothing_runs()
        else:
            self._quiet = 0
            self._look_at(running, monotonic())

    def _pause(self, close: bool) -> float:
        """Seconds until the next look."""
        if not close:
            return _LOOK
        return _SECOND_LOOK if self._first else _CLOSE_LOOK

    def _look_at(self, running: Connection, now: float) -> None:
        turn, cpu_before, self._cpu = self._state.turns, self._cpu, self._leader_cpu()
        if turn != self._seen:
            self._seen, self._since, self._first = turn, now, True
            return
        self._first = False
        # Since the last look, not the first: falling asleep costs a thread CPU time, too.
        waits = self._cpu - cpu_before < _STILL
        # One that computes gets its time even at a close look: another leader would only fight it for the GIL.
        if not waits and now - self._since < _LOOK:
            return
        request = running.request
        if self._pool.give_up(running):
            self._state.counters.steals += 1
            if request is not None:
                self._routes.note(request.path, waits, turn)

    def _leader_cpu(self) -> float:
        try:
            return clock_gettime(self._state.leader_clock)
        except OSError:  # that thread has ended
            return 0.0

    def _nothing_runs(self) -> None:
        turn = self._state.turns
        self._first = False
        self._quiet = self._quiet + 1 if turn == self._seen else 0
        self._seen = turn
        if self._quiet <= _QUIET_LOOKS:
            return
        self._quiet = 0
        self.sleeps = True
        # The leader asks only after it has begun a request: one that began before the flag stood is seen here.
        if self._state.turns == turn and not self._state.stopped:
            self._bell.acquire()
        self.sleeps = False


def _sharpen_timer() -> None:
    """Let this thread's timers fire within a nanosecond of their time, not 50 µs: prctl(2), PR_SET_TIMERSLACK."""
    import ctypes  # not at import: most servers never come here

    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
