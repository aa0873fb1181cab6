"""`judge`: what can be said of a restart, from what the scoreboard shows at one moment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotswap.cli.restart_outcome import Verdict, has_ended, judge
from hotswap.scoreboard import Attempt, SlotView

ASKED = 1000
BEFORE = Attempt(1, began_ns=900, by=10)
BEFORE_OK = Attempt(1, began_ns=900, ended_ns=1100, outcome="ok", by=10)
RUNNING = Attempt(2, began_ns=1001, by=10)
SUCCEEDED = Attempt(2, began_ns=1001, ended_ns=1002, outcome="ok", by=10)
FAILED = Attempt(2, began_ns=1001, ended_ns=1002, outcome="failed", by=10)
LATER = Attempt(3, began_ns=2000, ended_ns=2001, outcome="ok", by=11)


def view(pid: int, state: str, *, role: str = "server", recorded: int | None = None) -> SlotView:
    """A living process on the board."""
    return SlotView(0, pid, 1, role, state, 0.0, 0.0, recorded_pid=pid if recorded is None else recorded)


@pytest.mark.parametrize(
    ("views", "attempts", "verdict"),
    [
        ([view(10, "serving")], [], Verdict.WAITING),
        ([view(10, "restarting")], [BEFORE], Verdict.WAITING),
        ([view(10, "retiring"), view(11, "serving")], [BEFORE_OK], Verdict.WAITING),
        ([view(10, "restarting")], [BEFORE, RUNNING], Verdict.RUNNING),
        ([view(99, "restarting", recorded=10)], [RUNNING], Verdict.RUNNING),
        ([view(10, "retiring")], [SUCCEEDED], Verdict.SUCCEEDED),
        ([], [SUCCEEDED, LATER], Verdict.SUCCEEDED),
        ([view(10, "serving")], [FAILED, LATER], Verdict.FAILED),
        ([], [RUNNING], Verdict.ORPHANED),
        ([replace(view(11, "serving"), attempt=2)], [RUNNING], Verdict.RUNNING),
        ([view(11, "serving")], [RUNNING], Verdict.ORPHANED),
        ([view(11, "serving")], [BEFORE_OK], Verdict.PASSED_ON),
        ([view(11, "serving"), view(10, "draining")], [], Verdict.PASSED_ON),
        ([view(10, "draining")], [], Verdict.STOPPING),
        ([view(11, "booting")], [], Verdict.STOPPING),
        ([view(11, "serving", role="worker")], [], Verdict.STOPPING),
        ([], [], Verdict.STOPPING),
    ],
)
def test_judge(views: list[SlotView], attempts: list[Attempt], verdict: Verdict) -> None:
    """The first attempt that began after the question decides; before there is one, the processes that are there do."""
    outcome = judge(ASKED, 10, views, attempts)
    assert outcome.verdict is verdict
    assert outcome.attempt == next((attempt for attempt in attempts if attempt.began_ns > ASKED), None)


@pytest.mark.parametrize(("generations", "ended"), [([1], True), ([], True), ([1, 2], False), ([3], False)])
def test_has_ended(generations: list[int], ended: bool) -> None:
    """It is there as long as it has a slot; a later one has replaced it."""
    views = [replace(view(number, "serving"), generation=number) for number in generations]
    views.append(replace(view(9, "serving", role="worker"), generation=2))
    assert has_ended(SUCCEEDED._replace(generation=2), views) is ended
