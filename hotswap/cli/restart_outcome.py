"""Decides from the scoreboard how a restart is going: pure, so that every case is a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from hotswap.scoreboard import Attempt, SlotView


class Verdict(Enum):
    """How a restart is going at one moment."""

    WAITING = "waiting"  # the server has the signal and has not begun: another restart may be under way
    RUNNING = "running"  # the attempt that our signal began is under way
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ENDED = "ended"  # it has succeeded, and the new server process is gone already
    ORPHANED = "orphaned"  # the process that began the attempt is gone, and no process will enter its outcome
    PASSED_ON = "passed-on"  # the process that had the signal is gone, and another one serves
    STOPPING = "stopping"  # no process serves any more


@dataclass(frozen=True)
class Outcome:
    """A verdict, and the attempt that it is about, if there is one."""

    verdict: Verdict
    attempt: Attempt | None = None


def judge(asked_ns: int, signalled_pid: int, views: Sequence[SlotView], attempts: Sequence[Attempt]) -> Outcome:
    """Return how the restart is going that the user asked for at `asked_ns` (time.monotonic_ns).

    Its attempt is the first one that began later: that runs what was deployed before. The caller must read `views`
    before `attempts`: then an attempt without an outcome, whose process was gone already, stays without one.
    """
    ours = next((attempt for attempt in attempts if attempt.began_ns > asked_ns), None)
    if ours is not None:
        return Outcome(_of_attempt(ours, views), ours)
    servers = [view for view in views if view.role == "server"]
    if any(view.pid == signalled_pid for view in servers if not view.drains):
        return Outcome(Verdict.WAITING)
    if any(view.serves for view in servers):
        return Outcome(Verdict.PASSED_ON)
    return Outcome(Verdict.STOPPING)


def _of_attempt(attempt: Attempt, views: Sequence[SlotView]) -> Verdict:
    if attempt.outcome:
        return Verdict.SUCCEEDED if attempt.outcome == "ok" else Verdict.FAILED
    return Verdict.ORPHANED if is_orphaned(attempt, views) else Verdict.RUNNING


def has_ended(new: Attempt, views: Sequence[SlotView]) -> bool:
    """Return whether the generation that has become ready is gone, and no later one has come; `views` were read after
    its outcome."""
    return not any(view.role == "server" and view.generation >= new.generation for view in views)


def is_orphaned(attempt: Attempt, views: Sequence[SlotView]) -> bool:
    """Return whether no process is left that would enter the attempt's outcome; `views` as for `judge`.

    If that which began it is gone, the successor enters it as soon as it serves.
    """
    # recorded_pid: a process in a container writes the pid that it has there.
    begun_by = any(view.recorded_pid == attempt.by for view in views)
    serves = any(view.serves and view.attempt == attempt.number for view in views)
    return not attempt.outcome and not begun_by and not serves
