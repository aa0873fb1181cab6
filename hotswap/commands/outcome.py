"""How a restart is going, told from what the scoreboard shows: pure, so that every case is a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from hotswap.commands.find import ACCEPTING
from hotswap.system.scoreboard import Attempt, SlotView


class Verdict(Enum):
    """What can be said of a restart at one moment."""

    WAITING = "waiting"  # the server has the signal and has not begun: another restart may be under way
    RUNNING = "running"  # our attempt is under way
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ORPHANED = "orphaned"  # who began our attempt is gone, and nobody will say how it ended
    PASSED_ON = "passed on"  # the process that had the signal is gone, and another one serves
    STOPPING = "stopping"  # nobody serves any more


@dataclass(frozen=True)
class Outcome:
    """A verdict, with the attempt it is about where there is one."""

    verdict: Verdict
    attempt: Attempt | None = None


def judge(asked_ns: int, signalled_pid: int, views: Sequence[SlotView], attempts: Sequence[Attempt]) -> Outcome:
    """Return how the restart asked for at `asked_ns` (time.monotonic_ns) is going.

    Ours is the first attempt that began later: it runs what was deployed before. `views` must have been read
    before `attempts`: then an attempt without an end, whose process was gone already, stays without one.
    """
    ours = next((attempt for attempt in attempts if attempt.began_ns > asked_ns), None)
    if ours is not None:
        return Outcome(_of_attempt(ours, views), ours)
    servers = [view for view in views if view.role == "server"]
    if any(view.pid == signalled_pid for view in servers if view.state != "draining"):
        return Outcome(Verdict.WAITING)
    if any(view.state in ACCEPTING for view in servers):
        return Outcome(Verdict.PASSED_ON)
    return Outcome(Verdict.STOPPING)


def _of_attempt(attempt: Attempt, views: Sequence[SlotView]) -> Verdict:
    if attempt.outcome:
        return Verdict.SUCCEEDED if attempt.outcome == "ok" else Verdict.FAILED
    return Verdict.ORPHANED if is_orphaned(attempt, views) else Verdict.RUNNING


def is_orphaned(attempt: Attempt, views: Sequence[SlotView]) -> bool:
    """Return whether nobody will say any more how an attempt ended; `views` as for `judge`."""
    # recorded_pid: a process in a container writes the pid that it knows itself by.
    return not attempt.outcome and all(view.recorded_pid != attempt.by for view in views)
