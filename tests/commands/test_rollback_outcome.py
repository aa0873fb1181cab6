"""Whether a server can be rolled back, and how that is going, from what the scoreboard shows at one moment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotswap.cli.rollback_outcome import RollbackVerdict, judge, parked_for, why_not
from hotswap.scoreboard import Attempt, SlotView

#: Pid 10 has begun it, and 11 is what it has started.
OPEN = Attempt(3, began_ns=1000, stage="on probation for 30 s", by=10, pid=11, generation=2)
PASSED = OPEN._replace(outcome="ok", ended_ns=2000)
FAILED = OPEN._replace(outcome="failed", ended_ns=2000)
BOOTS = Attempt(4, began_ns=3000, stage="loading", by=11, generation=3)


def old(state: str) -> SlotView:
    """The process that was there before."""
    return SlotView(0, 10, 1, "server", state, 0.0, 0.0, recorded_pid=10)


def new(state: str, *, attempt: int = 3) -> SlotView:
    """The one that it has started."""
    return SlotView(1, 11, 2, "server", state, 0.0, 0.0, recorded_pid=11, attempt=attempt)


@pytest.mark.parametrize(
    ("views", "attempts", "why"),
    [
        ([old("parked"), new("serving")], [OPEN], ""),
        ([old("parked"), new("restarting")], [OPEN, BOOTS], "under way"),
        ([old("parked"), new("handing-over")], [OPEN, BOOTS], "under way"),
        ([old("parked"), new("serving")], [PASSED], "under way"),
        ([old("parked"), replace(new("serving"), lame_duck=True)], [OPEN], "lame duck"),
        ([old("restarting"), new("booting")], [OPEN._replace(stage="loading")], "under way"),
        ([old("retiring"), new("serving")], [PASSED], "its probation is over"),
        ([new("serving")], [PASSED], "its probation is over"),
        ([new("serving")], [PASSED._replace(stage="ready")], "is not on probation"),
        ([old("serving")], [], "is not on probation"),
        ([old("serving"), new("retiring")], [FAILED], "is not on probation"),
        ([old("parked"), new("draining")], [OPEN], "no process serves"),
        ([], [OPEN], "no process serves"),
    ],
)
def test_whether_one_is_parked(views: list[SlotView], attempts: list[Attempt], why: str) -> None:
    """And if not, why, with what can be done."""
    assert parked_for(views, attempts) == (None if why else (OPEN, views[0]))
    if why:
        assert why in why_not(views, attempts)


@pytest.mark.parametrize(
    ("views", "attempts", "verdict"),
    [
        ([old("parked"), new("serving")], [OPEN], RollbackVerdict.RUNNING),
        ([old("serving"), new("serving")], [OPEN], RollbackVerdict.RUNNING),
        ([old("serving"), new("serving")], [FAILED], RollbackVerdict.RUNNING),
        # The views were read before it served, and the attempts after.
        ([old("parked"), new("serving")], [FAILED], RollbackVerdict.RUNNING),
        ([old("serving"), new("retiring")], [FAILED], RollbackVerdict.DONE),
        ([old("serving")], [FAILED], RollbackVerdict.DONE),
        ([old("restarting")], [FAILED, BOOTS], RollbackVerdict.DONE),
        ([old("parked"), new("serving")], [PASSED], RollbackVerdict.TOO_LATE),
        ([old("retiring"), new("serving")], [PASSED], RollbackVerdict.TOO_LATE),
        ([new("serving")], [], RollbackVerdict.TOO_LATE),
        ([new("serving")], [OPEN], RollbackVerdict.ENDED),
        ([], [FAILED], RollbackVerdict.ENDED),
        ([old("draining"), new("draining")], [FAILED], RollbackVerdict.STOPPED),
        ([old("retiring"), new("draining")], [FAILED], RollbackVerdict.STOPPED),
        ([old("parked"), new("draining")], [FAILED], RollbackVerdict.STOPPED),
    ],
)
def test_how_it_is_going(views: list[SlotView], attempts: list[Attempt], verdict: RollbackVerdict) -> None:
    """It is done when the old one serves and the new one does not."""
    assert judge(3, 10, views, attempts) is verdict
