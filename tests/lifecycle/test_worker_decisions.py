"""What a worker under gunicorn's arbiter decides by what it sees, and what the end of a worker means."""

from __future__ import annotations

import itertools

import pytest

from hotswap.lifecycle.leave_policy import LeavePolicy
from hotswap.lifecycle.worker_decisions import (
    DECIDES,
    FULL_S,
    LONG_S,
    SECOND_WORD_S,
    ArbiterFacts,
    EndMeans,
    Refill,
    WorkerEnd,
    another_follows,
    decide,
)
from hotswap.lifecycle.worker_states import Phase, Stage, WorkerEvent, WorkerState
from hotswap.lifecycle.worker_transitions import worker_transition

POLICY = LeavePolicy(graceful_s=30.0, retire_s=600.0)
TOLD, SPENT = WorkerState.TOLD, WorkerState.SPENT
LEAVING, FOLLOWED = WorkerState.LEAVING, WorkerState.FOLLOWED

BOTH = (False, True)
#: Every combination of what can be seen.
EVERYTHING = [
    ArbiterFacts(state, waited, any_boots or younger, younger, stopped, seen, leaves, receiving, longest, stuck)
    for state in WorkerState
    for waited, seen, longest, stuck in itertools.product((0.1, 26.0, 29.6), (None, 0.5, 1.5), (None, 2.0), (0.0, 1.5))
    for any_boots, younger, stopped, leaves, receiving in itertools.product(BOTH, BOTH, BOTH, BOTH, BOTH)
]


def test_every_decision_is_one_that_the_state_understands() -> None:
    """A worker that goes on as before has nothing to be told; all others go a step further."""
    assert len(EVERYTHING) > 10_000
    for facts in EVERYTHING:
        event = decide(facts, POLICY)
        assert event is None or facts.state in DECIDES
        assert event is None or worker_transition(facts.state, event).next is not facts.state


def test_no_worker_waits_for_ever() -> None:
    """However things stand: when graceful_timeout is nearly over, it leaves."""
    for facts in EVERYTHING:
        if facts.state in (TOLD, SPENT) and facts.waited_s > 29.5:
            assert decide(facts, POLICY) is WorkerEvent.GO


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        # A reload: gunicorn has forked a younger worker, and told this one to go at once.
        (ArbiterFacts(TOLD, 1.0, any_boots=True, younger_boots=True), None),
        (ArbiterFacts(TOLD, 25.1, any_boots=True, younger_boots=True), WorkerEvent.GO),
        (ArbiterFacts(TOLD, 1.0, any_boots=True), WorkerEvent.GO),  # an older one does not come instead of this one
        # The younger worker serves.
        (ArbiterFacts(TOLD, 1.0, seen_boot_s=0.1, receiving=True), WorkerEvent.GO),
        # It has ended: the arbiter may say that it stops; if it does not, it will fork another one.
        (ArbiterFacts(TOLD, 1.0, seen_boot_s=SECOND_WORD_S - 0.1), None),
        (ArbiterFacts(TOLD, 1.0, seen_boot_s=SECOND_WORD_S + 0.1), WorkerEvent.GO_FOLLOWED),
        # It was told to leave, too.
        (ArbiterFacts(TOLD, 1.0, seen_boot_s=0.1, younger_stopped=True), WorkerEvent.GO),
        # A stop: no younger worker was ever seen.
        (ArbiterFacts(TOLD, 0.0), WorkerEvent.GO),
    ],
)
def test_a_worker_that_was_told_to_leave(facts: ArbiterFacts, expected: WorkerEvent | None) -> None:
    """It stays as long as a younger one is about to serve."""
    assert decide(facts, POLICY) is expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (ArbiterFacts(SPENT, 0.0), WorkerEvent.GO),
        (ArbiterFacts(SPENT, 0.0, receiving=True, longest_s=5.0), WorkerEvent.GO),
        # One at a time.
        (ArbiterFacts(SPENT, 0.0, any_boots=True, receiving=True), None),
        (ArbiterFacts(SPENT, 0.0, another_leaves=True, receiving=True), None),
        # The only one: until it has gone no process would accept.
        (ArbiterFacts(SPENT, LONG_S - 0.1, longest_s=0.0), None),
        (ArbiterFacts(SPENT, LONG_S + 0.1, longest_s=LONG_S - 0.1), WorkerEvent.GO),
        (ArbiterFacts(SPENT, LONG_S + 0.1, longest_s=LONG_S + 0.1), None),
        (ArbiterFacts(SPENT, 29.6, any_boots=True, longest_s=29.0), WorkerEvent.GO),
    ],
)
def test_a_worker_that_has_served_enough(facts: ArbiterFacts, expected: WorkerEvent | None) -> None:
    """It goes when clients will not miss it."""
    assert decide(facts, POLICY) is expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (ArbiterFacts(LEAVING, receiving=True), None),
        (ArbiterFacts(LEAVING, younger_boots=True), None),
        (ArbiterFacts(LEAVING), WorkerEvent.ALONE),
        (ArbiterFacts(FOLLOWED), None),
        (ArbiterFacts(FOLLOWED, stuck_s=FULL_S), None),
        (ArbiterFacts(FOLLOWED, stuck_s=FULL_S + 0.1), WorkerEvent.FULL),
        (ArbiterFacts(LEAVING, younger_boots=True, stuck_s=FULL_S + 0.1), WorkerEvent.FULL),
        (ArbiterFacts(LEAVING, stuck_s=FULL_S + 0.1), WorkerEvent.ALONE),
        (ArbiterFacts(WorkerState.DRAINING), None),
    ],
)
def test_a_worker_that_leaves(facts: ArbiterFacts, expected: WorkerEvent | None) -> None:
    """It hands over as long as its connections have a way."""
    assert decide(facts, POLICY) is expected


def test_what_is_left_in_the_exchange_is_received_later() -> None:
    """By the next worker, which is sure to come, or boots already; a worker that still serves leaves nothing there."""
    assert another_follows(ArbiterFacts(FOLLOWED))
    assert another_follows(ArbiterFacts(LEAVING, younger_boots=True))
    assert not another_follows(ArbiterFacts(LEAVING, receiving=True))
    assert not another_follows(ArbiterFacts(TOLD, younger_boots=True))


@pytest.mark.parametrize(
    ("phase", "stage", "said_why", "ended_well", "means", "refill"),
    [
        # While the generation boots, an end that was not asked for fails the boot.
        (Phase.BOOTING, Stage.LOADING, False, False, EndMeans.BOOT_FAILED, Refill.NEVER),
        (Phase.BOOTING, Stage.LOADED, False, True, EndMeans.BOOT_FAILED, Refill.NEVER),
        (Phase.SERVING, Stage.SERVING, False, False, EndMeans.FAILED, Refill.BACKED_OFF),
        (Phase.SERVING, Stage.SERVING, False, True, EndMeans.FAILED, Refill.BACKED_OFF),
        (Phase.SERVING, Stage.LOADING, False, False, EndMeans.FAILED, Refill.BACKED_OFF),
        # gunicorn's workers go when they have served enough, and wait for no replacement.
        (Phase.SERVING, Stage.SERVING, True, True, EndMeans.LEFT_BY_ITSELF, Refill.NOW),
        (Phase.SERVING, Stage.SERVING, True, False, EndMeans.FAILED, Refill.BACKED_OFF),
        # Its replacement serves already.
        (Phase.SERVING, Stage.DISMISSED, True, True, EndMeans.LEFT, Refill.NEVER),
        (Phase.SERVING, Stage.DISMISSED, True, False, EndMeans.FAILED, Refill.NEVER),
        (Phase.SERVING, Stage.DROPPED, False, False, EndMeans.NOT_NEEDED, Refill.NEVER),
        # Called back, and this one has not heard it: its place is empty.
        (Phase.SERVING, Stage.LEAVING, False, True, EndMeans.LEFT, Refill.BACKED_OFF),
        (Phase.LEAVING, Stage.LEAVING, False, True, EndMeans.LEFT, Refill.NEVER),
        (Phase.LEAVING, Stage.LEAVING, False, False, EndMeans.FAILED, Refill.NEVER),
        (Phase.LEAVING, Stage.DROPPED, False, False, EndMeans.NOT_NEEDED, Refill.NEVER),
    ],
)
def test_what_the_end_of_a_worker_means(
    phase: Phase, stage: Stage, said_why: bool, ended_well: bool, means: EndMeans, refill: Refill
) -> None:
    """What is said of it, and when its slot is filled again."""
    end = WorkerEnd(stage, said_why, ended_well)
    assert (end.means(phase), end.refill(phase)) == (means, refill)


def test_no_slot_stays_empty_while_the_generation_serves() -> None:
    """Unless the worker was told to go, because another has its slot or it is not needed."""
    for stage, said_why, ended_well in itertools.product(Stage, (False, True), (False, True)):
        end = WorkerEnd(stage, said_why, ended_well)
        told = stage in (Stage.DROPPED, Stage.DISMISSED)
        assert (end.refill(Phase.SERVING) is Refill.NEVER) == told
        assert end.refill(Phase.BOOTING) is end.refill(Phase.LEAVING) is Refill.NEVER
