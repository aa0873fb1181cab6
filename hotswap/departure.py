"""Leaving: what has to be true before a generation that retires or drains may go, and who takes over if it must not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hotswap.crew.protocol import Crew
from hotswap.lifecycle.states import Event, State
from hotswap.system.scoreboard import Scoreboard, SlotView
from hotswap.system.waiter import Timer, Waiter

#: How long a successor must have lived before the listeners are let go: a closed one cannot be taken back (seconds).
TRIAL = 2.0
#: How often is looked whether everything is through, while leaving only (seconds).
TICK = 0.05

_SERVE = {State.SERVING.value, State.RESTARTING.value, State.HANDING_OVER.value}


@dataclass(frozen=True)
class Heir:
    """Who serves after us: our successor, or a younger generation that somebody else has started.

    `exited()` tells whether it is gone, `status()` how, if that can be known. `on_board`: it shares our scoreboard.
    """

    exited: Callable[[], bool]
    status: Callable[[], int | None]
    on_board: bool


class Departure:
    """Looks, from the moment of leaving, whether the process may go; tells EMPTY, DEADLINE or LOST.

    `heir` is None when draining: nobody to hand over to. `release()` closes the listeners for good; it is called once,
    as soon as that is safe. `waits()` tells whether a successor that was told to stop with us is still there.
    """

    def __init__(
        self,
        crew: Crew,
        board: Scoreboard,
        waiter: Waiter,
        tell: Callable[[Event], object],
        release: Callable[[], object],
        deadline: float,
        heir: Heir | None,
        waits: Callable[[], bool],
    ) -> None:
        self._crew = crew
        self._board = board
        self._waiter = waiter
        self._tell = tell
        self._release = release
        self._waits = waits
        self.heir = heir
        self._began = time.monotonic()
        #: pid to its beats when we saw it first
        self._beats: dict[int, int] = {}
        self._had_path = board.path is not None
        self._released = heir is None
        self._drains = heir is None
        self._over = False
        self._deadline = waiter.later(deadline, self._too_late)
        self._tick: Timer | None = waiter.later(0, self._look)

    def cancel(self) -> None:
        """Nothing is told any more."""
        self._over = True
        self._deadline.cancel()
        if self._tick is not None:
            self._tick.cancel()

    def _too_late(self) -> None:
        if not self._over:
            self._tell(Event.DEADLINE)

    def look(self) -> None:
        """Look now: something has changed."""
        if self._tick is not None:
            self._tick.cancel()
        self._look()

    def _look(self) -> None:
        self._tick = None
        if self._over:
            return
        self._crew.flush()
        if not self._released and self.heir is not None and self._is_lost(self.heir):
            self._tell(Event.LOST)
        elif self._released:
            self._finish()
        if not self._over:
            self._tick = self._waiter.later(TICK, self._look)

    def _finish(self) -> None:
        """The listeners are gone, so there is no way back: once all is done, go."""
        if not self._drains and not self._board.receiving():
            # Whoever served after us is gone for good: what is left here has nobody to move to.
            self._drains = True
            self._crew.drain()
        # A successor lives on when we retire; one that was told to stop with us may serve already, and drains too.
        if self._crew.empty() and (self.heir is not None or not self._waits()):
            self._tell(Event.EMPTY)

    def _let_go(self) -> None:
        self._released = True
        self._release()

    def _is_lost(self, heir: Heir) -> bool:
        """Let the listeners go, or keep them a little longer; True if nobody serves and it is us who must."""
        others = [view for view in self._board.slots() if view.pid != os.getpid() and view.role == "server"]
        states = {view.state for view in others}
        turning = self._one_turns(others)
        tried = time.monotonic() - self._began >= TRIAL
        if states & _SERVE:
            if tried and turning and self._crew.handed_over():
                self._let_go()
        elif State.DRAINING.value in states or (heir.exited() and self._stopped(heir)):
            # Somebody told the server to stop: a listener that nobody accepts from would make clients hang.
            self._let_go()
        elif heir.exited():
            return True
        elif tried and not heir.on_board:
            # It lives, on a scoreboard of its own (another layout): it will never be seen on ours.
            self._let_go()
        # Else it retires itself, and holds the listeners: if its own successor is lost, it is the one to take back.
        return False

    def _one_turns(self, others: Sequence[SlotView]) -> bool:
        """Whether somebody who serves has done something meanwhile. One that was stopped (SIGSTOP) as soon as it was
        ready, or hangs, accepts nobody; should it die, it is us who must serve."""
        serving = [view for view in others if view.state in _SERVE]
        first = [self._beats.setdefault(view.pid, view.beats) for view in serving]
        return any(view.beats > beats for view, beats in zip(serving, first, strict=True))

    def _stopped(self, heir: Heir) -> bool:
        """Whether it went on purpose: with status 0, or having removed the scoreboard's file, as only a server does
        that was told to stop, whatever the status of the program around it is then."""
        return heir.status() == 0 or (self._had_path and self._board.path is None)
