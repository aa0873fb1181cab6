"""Where a generation stands with its predecessor, by what that has entered on the scoreboard."""

from __future__ import annotations

import itertools

import pytest

from hotswap.lifecycle.states import State
from hotswap.scoreboard import RECEIVING, Attempt, SlotView
from hotswap.serving.probation import Standing, standing

STATES = sorted({state.shown for state in State})


def attempt(outcome: str) -> Attempt:
    """The one that has started this generation."""
    return Attempt(3, began_ns=1000, by=10, outcome=outcome)


def begun_by(state: str) -> SlotView:
    """The process that began it."""
    return SlotView(0, 10, 1, "server", state, 0.0, 0.0, recorded_pid=10)


def test_without_an_attempt() -> None:
    """It has left the ring: sixteen others have begun since."""
    assert standing(None, None) is Standing.PASSED


@pytest.mark.parametrize(("outcome", "state"), list(itertools.product(["", "ok", "failed"], [None, *STATES])))
def test_every_case(outcome: str, state: str | None) -> None:
    """Only a predecessor that serves takes back, and only one that is gone leaves the outcome to its successor."""
    found = standing(attempt(outcome), None if state is None else begun_by(state))
    if outcome == "ok":
        assert found is Standing.PASSED
    elif state is None:
        assert found is Standing.ORPHANED
    elif outcome == "failed" and state in RECEIVING:
        assert found is Standing.TAKEN_BACK
    else:
        assert found is Standing.OPEN
