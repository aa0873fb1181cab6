"""How long leaving may take, in every way of leaving."""

from __future__ import annotations

import pytest

from hotswap.lifecycle.leave_policy import LeaveMode, LeavePolicy
from hotswap.settings.options import LeaveOptions

LIMITS = {
    LeaveMode.DRAIN: 30.0,
    LeaveMode.RETIRE: 600.0,
    LeaveMode.RETIRE_ALONE: 600.0,
    LeaveMode.KILL_ALONE: 601.0,
    LeaveMode.ORPHAN_RECEIVED: 600.0,
    LeaveMode.ORPHAN_UNRECEIVED: 30.0,
    LeaveMode.UNDER_ARBITER: 29.5,
    LeaveMode.AWAIT_YOUNGER: 25.0,
    LeaveMode.FOREIGN_DRAIN: 29.0,
    LeaveMode.FOREIGN_RETIRE: 599.0,
    LeaveMode.FOREIGN_UNASKED: 30.0,
}
WITHOUT_LIMIT = {LeaveMode.RETIRE, LeaveMode.RETIRE_ALONE, LeaveMode.KILL_ALONE, LeaveMode.ORPHAN_RECEIVED}


@pytest.mark.parametrize("mode", list(LeaveMode))
def test_the_defaults(mode: LeaveMode) -> None:
    """graceful_timeout where an operator waits, retire_timeout where a successor serves."""
    policy = LeavePolicy.of(LeaveOptions(graceful_timeout_s=30.0, retire_timeout_s=600.0))
    assert policy.limit_s(mode) == LIMITS[mode]


@pytest.mark.parametrize("mode", list(LeaveMode))
def test_a_retire_timeout_of_zero_is_no_limit(mode: LeaveMode) -> None:
    """Where it counts; a stop has its limit all the same."""
    limit = LeavePolicy(graceful_s=30.0, retire_s=0.0).limit_s(mode)
    assert (limit is None) == (mode in WITHOUT_LIMIT | {LeaveMode.FOREIGN_RETIRE})


@pytest.mark.parametrize("mode", list(LeaveMode))
@pytest.mark.parametrize("graceful", [0.0, 0.5, 1.0, 3.0])
def test_small_timeouts(mode: LeaveMode, graceful: float) -> None:
    """Never negative, and never longer than what was asked for."""
    limit = LeavePolicy(graceful_s=graceful, retire_s=graceful).limit_s(mode)
    if mode is not LeaveMode.KILL_ALONE and limit is not None:
        assert 0.0 <= limit <= graceful


def test_a_worker_under_an_arbiter_keeps_at_least_half() -> None:
    """With a small graceful_timeout the margins are more than there is."""
    policy = LeavePolicy(graceful_s=0.8, retire_s=600.0)
    assert policy.limit_s(LeaveMode.UNDER_ARBITER) == 0.4
    assert policy.limit_s(LeaveMode.AWAIT_YOUNGER) == 0.4
