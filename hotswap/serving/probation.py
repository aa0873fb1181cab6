"""A generation on probation: its predecessor, parked, looks whether it is wanted back, and it looks whether it was.

They speak by the scoreboard alone, so that either may be killed at any line. The restart attempt that has started the
generation has no outcome as long as the probation lasts. The parked process enters it: "ok" at the end; "failed" when
it serves again, and by that its successor knows that it is to retire. If the parked process is gone without having
entered one, the successor enters "ok": there is no way back any more.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hotswap.lifecycle.error_share import Answers, has_too_many_errors, in_words
from hotswap.lifecycle.states import State
from hotswap.scoreboard import Attempt, Scoreboard, Slot, SlotView
from hotswap.serving.recent_answers import answers_of
from hotswap.system.main_loop import MainLoop

#: How often a generation looks whether its probation is over (seconds). Its predecessor serves already when it sees
#: that it is to go.
LOOK_EVERY = 0.1
#: How often its answers are counted (seconds).
COUNT_EVERY = 0.25


class Subject(NamedTuple):
    """A successor on probation: its generation and pid, and the number of the attempt that has started it.

    seconds: for how long. max_errors: which share of its answers may be errors; 0 is no limit.
    """

    generation: int
    pid: int
    number: int
    seconds: float
    max_errors: float


class Probation:
    """As the parked predecessor has it. `before` is what that had answered in its last minute. On the main thread."""

    def __init__(self, board: Scoreboard, subject: Subject, before: Answers) -> None:
        self._board = board
        self._subject = subject
        self._before = before
        self._counted = 0.0

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self._subject.seconds

    def is_replaced(self, others: Sequence[SlotView]) -> bool:
        """Whether another generation serves in the place of the successor."""
        return any(view.serves and view.pid != self._subject.pid for view in others)

    def why_back(self) -> str:
        """Why the predecessor should serve again: an operator has asked for it, or errors have; "" if it should not.

        Not while the successor has one of its own under way: that is what has been deployed since; nor while that is a
        lame duck: it is wanted that no process serves here.
        """
        why = self._asked() or self._too_many_errors()
        if not why:
            return ""
        views = [view for view in self._board.slots() if view.pid == self._subject.pid]
        return why if any(view.state == State.SERVING.value and not view.lame_duck for view in views) else ""

    def _asked(self) -> str:
        return f"{self._who} was rolled back" if self._board.rollback_asked(self._subject.number) else ""

    def _too_many_errors(self) -> str:
        subject, now = self._subject, time.monotonic()
        # What it has answered is on the scoreboard every second.
        if not subject.max_errors or now - self._counted < COUNT_EVERY:
            return ""
        self._counted = now
        answers = answers_of(self._board, subject.generation, subject.number)
        if not has_too_many_errors(subject.max_errors, answers, self._before):
            return ""
        return f"{self._who} was taken back: {in_words(subject.max_errors, answers, self._before)}"

    @property
    def _who(self) -> str:
        return f"generation {self._subject.generation} (pid {self._subject.pid})"

    def has_ended(self) -> bool:
        """Whether another process has entered how it ended: the server is told to stop."""
        return any(attempt.number == self._subject.number and attempt.outcome for attempt in self._board.attempts())


class Standing(enum.Enum):
    """Where a generation stands with its predecessor."""

    OPEN = "open"  # on probation, or the swap is not through
    PASSED = "passed"  # there is no way back any more
    ORPHANED = "orphaned"  # the same, but its predecessor did not live to enter it
    TAKEN_BACK = "taken back"  # the predecessor serves again


def standing(attempt: Attempt | None, begun_by: SlotView | None) -> Standing:
    """Where the generation stands that `attempt` has started. `begun_by` is the process that began it, None if that is
    gone; the caller must have looked for it before it read the attempt."""
    if attempt is None or attempt.outcome == "ok":
        return Standing.PASSED
    if begun_by is None:
        return Standing.ORPHANED
    return Standing.TAKEN_BACK if attempt.outcome and begun_by.serves else Standing.OPEN


class OnProbation:
    """As the generation itself sees it, from when it serves. On the main thread.

    `taken_back(view)` is called when that process, the predecessor, serves again; `orphaned()` once, if it is gone.
    """

    def __init__(
        self,
        board: Scoreboard,
        slot: Slot,
        loop: MainLoop,
        taken_back: Callable[[SlotView], object],
        orphaned: Callable[[], object],
    ) -> None:
        self._board = board
        self._slot = slot
        self._loop = loop
        self._taken_back = taken_back
        self._orphaned = orphaned

    def taken_back_by(self) -> SlotView | None:
        """The predecessor, if it serves again."""
        how, begun_by = self._standing()
        return begun_by if how is Standing.TAKEN_BACK else None

    def look(self) -> None:
        """Look now, and again until it is over."""
        how, begun_by = self._standing()
        if how in (Standing.OPEN, Standing.TAKEN_BACK):
            # First: whatever goes wrong below. And the process that serves again may be gone before this one has left.
            self._loop.later(LOOK_EVERY, self.look)
        if how is Standing.TAKEN_BACK and begun_by is not None:
            self._taken_back(begun_by)
        elif how is Standing.ORPHANED:
            self._orphaned()

    def _standing(self) -> tuple[Standing, SlotView | None]:
        if not self._slot.attempt:
            return Standing.PASSED, None
        servers = [view for view in self._board.slots() if view.role == "server"]
        attempt = next((each for each in self._board.attempts() if each.number == self._slot.attempt), None)
        begun_by = next((view for view in servers if attempt and view.recorded_pid == attempt.by), None)
        return standing(attempt, begun_by), begun_by
