"""Decides from the scoreboard whether a server can be rolled back, and how that is going: pure, so that every case is a
test."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from hotswap.lifecycle.states import State
from hotswap.scoreboard import Attempt, SlotView

_REMEDY = "deploy the old version, and run hotswap restart"


class RollbackVerdict(Enum):
    """How a rollback is going at one moment."""

    RUNNING = "running"
    DONE = "done"  # the parked process serves, and the one that was on probation does not any more
    TOO_LATE = "too late"  # the probation has ended meanwhile
    ENDED = "ended"  # the parked process has ended
    STOPPED = "stopped"  # the server has


def parked_for(views: Sequence[SlotView], attempts: Sequence[Attempt]) -> tuple[Attempt, SlotView] | None:
    """Return the attempt whose successor can be taken back, and the process that is parked for it; None if there is
    none. Not while that successor has one of its own under way, or is a lame duck."""
    for attempt in reversed(attempts):
        parked = next((view for view in views if view.recorded_pid == attempt.by and view.parked), None)
        serves = any(view.attempt == attempt.number and _can_be_replaced(view) for view in views)
        if parked is not None and serves and not attempt.outcome:
            return attempt, parked
    return None


def why_not(views: Sequence[SlotView], attempts: Sequence[Attempt]) -> str:
    """Return why `parked_for` finds none, in words, and what can be done instead."""
    serving = [view for view in views if view.serves]
    if not serving:
        return "no process serves"
    newest = max(serving, key=lambda view: view.generation)
    which = newest.named
    own = next((attempt for attempt in attempts if attempt.number == newest.attempt), None)
    parked = any(view.parked for view in views)
    if newest.lame_duck:
        return f"{which} is a lame duck: it stops, or hotswap drain was run: hotswap restart ends that"
    if parked or newest.state != State.SERVING.value:
        return f"a restart of {which} is under way: wait for its end, or {_REMEDY}"
    if own is not None and own.was_on_probation:
        return f"{which} serves, and its probation is over: {_REMEDY}"
    return (
        f"{which} is not on probation, so no older generation is parked: {_REMEDY} (set probation=SECONDS, or "
        "run hotswap restart --probation SECONDS, to have a way back next time)"
    )


def judge(number: int, parked_pid: int, views: Sequence[SlotView], attempts: Sequence[Attempt]) -> RollbackVerdict:
    """Return how the rollback of attempt `number` to process `parked_pid` is going. The caller must read `views` before
    `attempts`."""
    attempt = next((each for each in attempts if each.number == number), None)
    parked = next((view for view in views if view.pid == parked_pid), None)
    if attempt is None or attempt.outcome == "ok":
        return RollbackVerdict.TOO_LATE
    if parked is None:
        return RollbackVerdict.ENDED
    if not attempt.outcome:
        return RollbackVerdict.RUNNING
    if not parked.serves:
        # It serves before it enters the outcome; or it has been told to stop since.
        return RollbackVerdict.RUNNING if parked.parked and _any_serves(views) else RollbackVerdict.STOPPED
    left = any(view.serves and view.attempt == number for view in views)
    return RollbackVerdict.RUNNING if left else RollbackVerdict.DONE


def _any_serves(views: Sequence[SlotView]) -> bool:
    return any(view.serves for view in views)


def _can_be_replaced(view: SlotView) -> bool:
    return view.state == State.SERVING.value and not view.lame_duck
