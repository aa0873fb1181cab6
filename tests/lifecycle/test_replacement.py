"""Whether a retiring process lets its listeners go: every combination of what it can see."""

from __future__ import annotations

import itertools

import pytest

from hotswap.lifecycle.replacement import Decision, Sight, judge

FACTS = Sight._fields
EVERY = [Sight(*values) for values in itertools.product((False, True), repeat=len(FACTS))]


def expected(seen: Sight) -> Decision:
    """The rules as a person would say them, in another order than the code has them."""
    nothing_else_can_serve = not seen.served and not seen.drained
    if nothing_else_can_serve and seen.exited and not seen.stopped:
        return Decision.LOST
    proven = seen.tried and seen.turning and seen.handed_over
    told_to_stop = not seen.served and (seen.drained or (seen.stopped and seen.exited))
    out_of_sight = nothing_else_can_serve and not seen.exited and seen.tried and not seen.on_board
    return Decision.RELEASE if (seen.served and proven) or told_to_stop or out_of_sight else Decision.WAIT


@pytest.mark.parametrize("seen", EVERY)
def test_every_sight(seen: Sight) -> None:
    """256 of them."""
    assert judge(seen) is expected(seen)


@pytest.mark.parametrize("seen", [each for each in EVERY if judge(each) is Decision.LOST])
def test_a_process_serves_again_only_where_no_other_does(seen: Sight) -> None:
    """Two generations must not serve side by side."""
    assert not seen.served
    assert seen.exited
