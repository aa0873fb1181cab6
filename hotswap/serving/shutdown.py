"""Decides when a leaving process may exit, and whether it must serve again because its successor died."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hotswap.lifecycle.replacement import Decision, Sight, judge
from hotswap.lifecycle.states import Event, State
from hotswap.scoreboard import SlotView
from hotswap.serving.probation import Probation
from hotswap.serving.resources import Resources
from hotswap.system.main_loop import Timer

#: How long a successor must have lived before the listeners are let go: a closed one cannot be taken back (seconds).
MIN_LIFE = 2.0
#: The interval at which a leaving process looks whether everything is through (seconds).
TICK = 0.05


class Replacement(NamedTuple):
    """The process that serves after this one: its successor, or a younger generation that another process started.

    `exited()` tells whether it is gone, or lingers, `status()` how, if that can be known; `ended()` whether its process
    is gone. `on_board`: it shares our scoreboard. `probation`: for how long it can be taken back, and by what; None
    where it is only taken back if it dies at once.
    """

    exited: Callable[[], bool]
    status: Callable[[], int | None]
    ended: Callable[[], bool]
    on_board: bool
    probation: Probation | None = None


class ShutdownWatch:
    """Looks, from the moment of leaving, whether the process may go; tells EMPTY, DEADLINE or LOST, and PROVEN or
    ROLLBACK of a replacement on probation. On the main thread.

    `replacement` is None when draining: there is no process to hand over to. `release()` closes the listeners for good;
    it is called once, as soon as that is safe. `deadline_s` None is no limit. With a replacement on probation
    there is no deadline before `limit` is called, at the end of the probation.
    """

    def __init__(
        self,
        resources: Resources,
        tell: Callable[[Event], object],
        release: Callable[[], object],
        deadline_s: float | None,
        replacement: Replacement | None,
    ) -> None:
        self._runner = resources.runner
        self._board = resources.board
        self._loop = resources.loop
        self._slot = resources.slot
        self._restarter = resources.restarter
        self._tell = tell
        self._release = release
        self.replacement = replacement
        self._began = time.monotonic()
        #: pid to its heartbeats when it was seen first
        self._beats: dict[int, int] = {}
        self._had_path = self._board.path is not None
        self._released = replacement is None
        self._drains = replacement is None
        self._over = False
        self._server_stops = False
        self._outlasts = False
        self._probation = replacement.probation if replacement is not None else None
        #: the reason for ROLLBACK
        self.why_back = ""
        self._deadline: Timer | None = None
        if deadline_s is not None and self._probation is None:
            self._deadline = self._loop.later(deadline_s, self._too_late)
        self._tick = self._loop.later(0, self._look)

    def cancel(self) -> None:
        """Tell nothing any more."""
        self._over = True
        if self._deadline is not None:
            self._deadline.cancel()
        self._tick.cancel()

    @property
    def left_s(self) -> float | None:
        """How many seconds are left until the deadline; None is no limit."""
        return None if self._deadline is None else max(0.0, self._deadline.due - time.monotonic())

    def hurry(self, seconds: float) -> None:
        """From here on the operator waits: the deadline is `seconds` from now, unless it is sooner."""
        self._probation = None
        self.limit(seconds)

    def limit(self, seconds: float) -> None:
        """The deadline is `seconds` from now, unless it is sooner."""
        sooner = self._loop.later(seconds, self._too_late)
        if self._deadline is not None and self._deadline.due <= sooner.due:
            sooner.cancel()
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = sooner

    def server_stops(self) -> None:
        """From here on this process must not serve again, whatever becomes of its successor."""
        self._server_stops = True

    def outlast(self) -> None:
        """End after the replacement and what serves or drains: systemd takes the end of this one for the server's
        if that has removed its pid file already, and kills what is left of it."""
        self._outlasts = True

    def _too_late(self) -> None:
        if not self._over:
            self._tell(Event.DEADLINE)

    def look(self) -> None:
        """Look now: something has changed."""
        self._tick.cancel()
        self._look()

    def _look(self) -> None:
        if self._over:
            return
        # First: whatever goes wrong below may go right at the next look, and without one we would never leave.
        self._tick = self._loop.later(TICK, self._look)
        self._runner.flush()
        # More often than a process that serves: an operator looks on as it hands over.
        self._runner.report(self._slot)
        if not self._released and self.replacement is not None:
            self._consider(judge(self._sight(self.replacement)))
            self._consider_rollback()
        if self._released and not self._over:
            self._finish()

    def _consider(self, decision: Decision) -> None:
        if decision is Decision.LOST and not self._server_stops:
            self._tell(Event.LOST)
        elif decision is not Decision.WAIT:
            self._released = True
            if self._probation is not None:
                self._probation = None
                self._tell(Event.PROVEN)
            self._release()

    def _consider_rollback(self) -> None:
        if self._probation is not None and not self._over and (why := self._probation.why_back()):
            self.why_back = why
            self._tell(Event.ROLLBACK)

    def _finish(self) -> None:
        """The listeners are gone, so there is no way back: once all is done, go."""
        if not self._drains and not self._board.receiving():
            # The process that served after us is gone for good: what is left here has no other to move to.
            self._drains = True
            self._runner.drain()
        # A successor lives on when we retire; one that was told to stop with us may serve already, and drains too.
        if self.replacement is None:
            waits = self._restarter.lives()
        else:
            # Not for one that retires as this one does: two would wait for each other.
            left = any(not view.retires for view in self._others())
            waits = self._outlasts and (left or not self.replacement.ended())
        if self._runner.empty() and not waits and self._runner.shut_down_apps():
            self._tell(Event.EMPTY)

    def _others(self) -> list[SlotView]:
        return [view for view in self._board.slots() if view.pid != os.getpid() and view.role == "server"]

    def _sight(self, replacement: Replacement) -> Sight:
        others = self._others()
        exited = replacement.exited()
        return Sight(
            served=any(view.serves for view in others),
            turning=self._one_turns(others),
            drained=self._is_stopped(others),
            tried=self._is_tried(others),
            handed_over=self._runner.handed_over(),
            exited=exited,
            stopped=exited and self._stopped(replacement),
            on_board=replacement.on_board,
        )

    def _is_stopped(self, others: Sequence[SlotView]) -> bool:
        if any(view.state == State.DRAINING.value for view in others):
            return True
        # Asked only where it matters: one that is to stop may serve for a while.
        gone = self._probation is not None and not any(view.serves for view in others)
        return gone and self._probation is not None and self._probation.has_ended()

    def _is_tried(self, others: Sequence[SlotView]) -> bool:
        """Whether the replacement has had the time in which it may fail. One that has been replaced itself has it
        behind it: should what serves now fail, that one is there."""
        lived = time.monotonic() - self._began
        if self._probation is None:
            return lived >= MIN_LIFE
        return lived >= max(MIN_LIFE, self._probation.seconds) or self._probation.is_replaced(others)

    def _one_turns(self, others: Sequence[SlotView]) -> bool:
        """Whether a process that serves has done something meanwhile. One that was stopped (SIGSTOP) as soon as it was
        ready, or hangs, accepts no client; should it die, it is this process that must serve."""
        serving = [view for view in others if view.serves]
        first = [self._beats.setdefault(view.pid, view.beats) for view in serving]
        return any(view.beats > beats for view, beats in zip(serving, first, strict=True))

    def _stopped(self, replacement: Replacement) -> bool:
        """Whether it went on purpose: with status 0, or having removed the scoreboard's file, as only a server does
        that was told to stop, whatever the status of the program around it is then. One on probation has entered that
        it was, and a program that ends it with status 0 all the same has a fault."""
        if self._probation is not None:
            return self._probation.has_ended()
        return replacement.status() == 0 or (self._had_path and self._board.path is None)
