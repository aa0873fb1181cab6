"""Leaving: what has to be true before a generation that retires or drains may go, and who takes over if it must not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from hotswap.crew.single import Single
from hotswap.lifecycle.states import Event, State
from hotswap.succession import Succession
from hotswap.system.scoreboard import Scoreboard
from hotswap.system.waiter import Timer, Waiter

#: How long a successor must have lived before the listeners are let go: a closed one cannot be taken back (seconds).
TRIAL = 2.0
#: How often is looked whether everything is through, while leaving only (seconds).
TICK = 0.05

_SERVE = {State.SERVING.value, State.RESTARTING.value, State.HANDING_OVER.value}


class Departure:
    """Looks, from the moment of leaving, whether the process may go; tells EMPTY, DEADLINE or LOST.

    `release()` closes the listeners for good. It is called once, as soon as that is safe.
    """

    def __init__(
        self,
        crew: Single,
        board: Scoreboard,
        waiter: Waiter,
        tell: Callable[[Event], object],
        release: Callable[[], object],
        deadline: float,
        succession: Succession | None,
    ) -> None:
        self._crew = crew
        self._board = board
        self._waiter = waiter
        self._tell = tell
        self._release = release
        #: None when draining: nobody to hand over to
        self.succession = succession
        self._began = time.monotonic()
        self._released = False
        self._over = False
        self._deadline = waiter.later(deadline, self._too_late) if deadline > 0 else None
        self._tick: Timer | None = waiter.later(0, self._look)

    def cancel(self) -> None:
        self._over = True
        for timer in (self._deadline, self._tick):
            if timer is not None:
                timer.cancel()

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
        if self.succession is not None and not self._released and self._consider_successor():
            return
        if (self._released or self.succession is None) and self._crew.empty():
            self._tell(Event.EMPTY)
        if not self._over:
            self._tick = self._waiter.later(TICK, self._look)

    def let_go(self) -> None:
        """Close the listeners; there is no way back from here."""
        if not self._released:
            self._released = True
            self._release()

    def _consider_successor(self) -> bool:
        """Let the listeners go, keep them a little longer, or take back; True if the latter has happened."""
        assert self.succession is not None
        successor = self.succession.successor
        states = {view.state for view in self._board.slots() if view.pid != os.getpid() and view.role == "server"}
        if states & _SERVE:
            if time.monotonic() - self._began >= TRIAL and self._crew.handed_over():
                self.let_go()
        elif State.BOOTING.value in states:
            # Whoever it replaces is gone. It will serve, or fail, which we see at the next look.
            pass
        elif State.DRAINING.value in states or (successor.exited() and successor.returncode == 0):
            # Somebody told the server to stop: a listener that nobody accepts from would make clients hang.
            self.let_go()
        elif successor.exited():
            self._tell(Event.LOST)
            return True
        # Else it retires itself, and holds the listeners: if its own successor is lost, it is the one to take back.
        return False
