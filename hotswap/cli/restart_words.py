"""What `hotswap restart` says: how far it is, and how it went. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hotswap.cli.hand_over import Left
from hotswap.cli.restart_outcome import Outcome, Verdict
from hotswap.cli.stage_times import StageTime
from hotswap.scoreboard import Attempt, SlotView

#: In place of a verdict, for a restart whose end the command has not waited for.
SIGNALLED, TIMEOUT, INTERRUPTED, NO_SERVER = "signalled", "timeout", "interrupted", "no-server"


def step(outcome: Outcome, pid: int) -> str:
    """Return in words how far the restart is, for which `pid` has the signal."""
    attempt = outcome.attempt
    if attempt is None:
        return signalled(pid)
    whose = f" (pid {attempt.pid})" if attempt.pid else ""
    return f"generation {attempt.generation}{whose}: {attempt.stage}"


def signalled(pid: int) -> str:
    """Return in words that nothing is known yet but that `pid` has the signal."""
    return f"pid {pid} has the signal"


def stage(outcome: Outcome, pid: int) -> str:
    """Return how far the restart is, as `step` does, but without the generation: for where that is known already."""
    return outcome.attempt.stage if outcome.attempt is not None else step(outcome, pid)


def stage_line(over: StageTime) -> str:
    """Return a line for a stage that has ended."""
    return f"{over.took:7.2f} s  {over.name}"


def under_way(seconds: float, what: str) -> str:
    """Return a line as `stage_line` does, for what goes on: with tenths of a second, or it would change too fast to be
    read."""
    return f"{seconds:6.1f}  s  {what} …"


def success(new: Attempt, took: float, *, wished: bool = False) -> str:
    """Return the sentence for a restart that has succeeded after `took` seconds; `wished`: with a probation."""
    sentence = f"generation {new.generation} (pid {new.pid}) serves, after {took:.2f} s"
    if new.was_on_probation:
        return f"{sentence}, and its probation is over"
    if wished:
        return f"{sentence}, without a probation: one of the two releases of hotswap does not know it"
    return sentence


def ended(new: Attempt, took: float) -> str:
    """Return the sentence for a new version that came up after `took` seconds, and is gone."""
    return f"generation {new.generation} (pid {new.pid}) served, after {took:.2f} s, and has ended since: see the log"


def failure(outcome: Outcome, pid: int, waited: float) -> str:
    """Return the sentence for one that has not, or whose end did not come within the `waited` seconds."""
    match outcome.verdict:
        case Verdict.FAILED:
            return f"the restart failed after {waited:.2f} s"
        case Verdict.ORPHANED:
            return f"pid {pid} ended while its successor was booting"
        case Verdict.PASSED_ON:
            return f"pid {pid} ended before it began the restart"
        case Verdict.STOPPING:
            return f"pid {pid} was stopped before it began the restart"
        case _:
            how = f"not waited for any longer than {waited:.2f} s, the restart goes on ({step(outcome, pid)})"
            return f"{how}: hotswap status tells how it ends"


def who_serves(views: Sequence[SlotView]) -> str:
    """Return in words which process serves now; `views`: those that do, the youngest first."""
    return f"{views[0].named} serves" if views else "no process serves"


def left(what: Left) -> str:
    """Return in words what has moved and what has not, as in "3 of 4 connections moved, 1 request still runs"."""
    total = what.moved + what.connections
    moved = f"{what.moved} of {total} connections moved" if what.connections else f"{_count(what.moved)} moved"
    if not what.requests:
        return moved
    return f"{moved}, {what.requests} {'request still runs' if what.requests == 1 else 'requests still run'}"


def _count(connections: int) -> str:
    return f"{connections} connection{'' if connections == 1 else 's'}"


class Conclusion(NamedTuple):
    """How the command ends: its exit status, a word for programs, a sentence for people, and what both are about.

    `word`: a verdict's value, or one of this module's. `error`: the new version's own words.
    """

    status: int
    word: str
    sentence: str
    outcome: Outcome = Outcome(Verdict.WAITING)
    error: str = ""


def as_json(
    server: str,
    conclusion: Conclusion,
    took: float,
    serving: SlotView | None = None,
    stages: Sequence[StageTime] = (),
    what_is_left: Left | None = None,
) -> dict[str, Any]:
    """Return what --json prints: docs/commands.md has each field, and a test compares."""
    attempt = conclusion.outcome.attempt
    return {
        "server": server,
        "outcome": conclusion.word,
        "message": conclusion.sentence,
        "took": round(took, 3),
        "attempt": attempt.number if attempt is not None else None,
        "generation": (attempt.generation or None) if attempt is not None else None,
        "pid": (attempt.pid or None) if attempt is not None else None,
        "serving": {"generation": serving.generation, "pid": serving.pid} if serving is not None else None,
        "stages": [{"stage": each.name, "took": round(each.took, 3)} for each in stages],
        "error": conclusion.error or None,
        "moved": what_is_left.moved if what_is_left is not None else None,
        "connections_left": what_is_left.connections if what_is_left is not None else None,
        "requests_left": what_is_left.requests if what_is_left is not None else None,
    }
