"""The table of a worker's life: every pair has an answer, and no worker gets stuck on its way out."""

from __future__ import annotations

import itertools

import pytest

from hotswap.lifecycle.states import State
from hotswap.lifecycle.worker_states import (
    LEAVING_STATES,
    SERVING_STATES,
    SHOWN,
    WorkerAction,
    WorkerEvent,
    WorkerState,
)
from hotswap.lifecycle.worker_transitions import TRANSITIONS, worker_transition

PAIRS = list(itertools.product(WorkerState, WorkerEvent))
FOR_GOOD = [WorkerState.LEAVING, WorkerState.FOLLOWED, WorkerState.DRAINING]
UNDER_ARBITER = [
    WorkerState.BOOTING, WorkerState.SERVING, WorkerState.SPENT, WorkerState.TOLD, WorkerState.LEAVING,
    WorkerState.FOLLOWED, WorkerState.DRAINING,
]  # fmt: skip


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_every_pair_has_an_answer(state: WorkerState, event: WorkerEvent) -> None:
    """Whatever happens whenever, it is written down what is done, if only that it is ignored."""
    step = worker_transition(state, event)
    assert step.actions or step.next is not state


def test_nothing_else_stands_in_the_table() -> None:
    """The table is exactly the product of states and events."""
    assert set(TRANSITIONS) == set(PAIRS)


@pytest.mark.parametrize("state", list(WorkerState))
def test_every_state_is_left_or_final(state: WorkerState) -> None:
    """From every state there is a way to GONE."""
    reached = {state}
    for _ in WorkerState:
        reached |= {worker_transition(at, event).next for at in reached for event in WorkerEvent}
    assert WorkerState.GONE in reached


def test_every_state_is_reached() -> None:
    """From the first one."""
    reached = {WorkerState.BOOTING}
    for _ in WorkerState:
        reached |= {worker_transition(at, event).next for at in reached for event in WorkerEvent}
    assert reached == set(WorkerState)


def test_every_action_and_every_event_is_used() -> None:
    """What no transition names is dead code in the loops."""
    assert {action for step in TRANSITIONS.values() for action in step.actions} == set(WorkerAction)
    ignored = (WorkerAction.IGNORE,)
    assert {event for (_, event), step in TRANSITIONS.items() if step.actions != ignored} == set(WorkerEvent)


def test_a_state_is_shown_by_one_word() -> None:
    """What receives is shown as such, and nothing else is: other processes send connections by that word."""
    receiving = {State.SERVING, State.HANDING_OVER}
    assert set(SHOWN) == set(WorkerState)
    assert {state for state in WorkerState if SHOWN[state] in receiving} == SERVING_STATES
    assert not SERVING_STATES & LEAVING_STATES


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_leaving_is_not_taken_back_but_by_order(state: WorkerState, event: WorkerEvent) -> None:
    """Only the order TAKE_BACK to a worker that leaves with its whole generation leads back."""
    step = worker_transition(state, event)
    if state in LEAVING_STATES and step.next not in LEAVING_STATES:
        assert (state, event, step.next) == (WorkerState.RETIRING, WorkerEvent.TAKE_BACK, WorkerState.SERVING)


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_an_order_to_retire_is_not_obeyed_while_draining(state: WorkerState, event: WorkerEvent) -> None:
    """No process takes what a draining worker has; from there it only goes."""
    if state is WorkerState.DRAINING:
        assert worker_transition(state, event).next in (WorkerState.DRAINING, WorkerState.GONE)


@pytest.mark.parametrize("state", FOR_GOOD)
@pytest.mark.parametrize("event", [WorkerEvent.EMPTY, WorkerEvent.DEADLINE])
def test_what_leaves_for_good_goes(state: WorkerState, event: WorkerEvent) -> None:
    """When nothing is left, or when it has taken as long as it may."""
    step = worker_transition(state, event)
    assert step.next is WorkerState.GONE
    assert (WorkerAction.CUT in step.actions) == (event is WorkerEvent.DEADLINE)


def test_what_may_be_called_back_stays() -> None:
    """A worker that leaves with its generation has its place until the listeners are released."""
    assert worker_transition(WorkerState.RETIRING, WorkerEvent.EMPTY).next is WorkerState.RETIRING
    assert worker_transition(WorkerState.RETIRING, WorkerEvent.RELEASE).next is WorkerState.LEAVING


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_limits_are_set_before_anything_can_fail(state: WorkerState, event: WorkerEvent) -> None:
    """An exception in an action skips the later ones: the deadline must stand by then."""
    actions = worker_transition(state, event).actions
    limits = [actions.index(action) for action in actions if action.name.startswith(("LIMIT_", "START_"))]
    may_fail = (WorkerAction.HAND_OVER, WorkerAction.DRAIN, WorkerAction.DRAIN_OWN, WorkerAction.RELEASE)
    assert all(actions.index(action) > max(limits) for action in actions if limits and action in may_fail)


@pytest.mark.parametrize("state", [state for state in WorkerState if state is not WorkerState.GONE])
def test_force_works_in_every_state(state: WorkerState) -> None:
    """The hammer, SIGQUIT and SIGABRT end a worker, however far it is; log files are reopened."""
    for event in (WorkerEvent.HAMMER, WorkerEvent.QUIT, WorkerEvent.ABRT):
        assert worker_transition(state, event).next is WorkerState.GONE
    for event in (WorkerEvent.USR1, WorkerEvent.REOPEN):
        assert worker_transition(state, event).actions == (WorkerAction.REOPEN_LOGS,)


@pytest.mark.parametrize("event", list(WorkerEvent))
def test_gone_is_the_end(event: WorkerEvent) -> None:
    """Too late for everything."""
    step = worker_transition(WorkerState.GONE, event)
    assert (step.next, step.actions) == (WorkerState.GONE, (WorkerAction.IGNORE,))


def test_a_request_for_a_replacement_is_made_once() -> None:
    """The worker serves on meanwhile."""
    step = worker_transition(WorkerState.SERVING, WorkerEvent.ENOUGH)
    assert (step.next, step.actions) == (WorkerState.ASKING, (WorkerAction.ASK_FOR_REPLACEMENT,))
    assert worker_transition(WorkerState.ASKING, WorkerEvent.ENOUGH).actions == (WorkerAction.IGNORE,)


@pytest.mark.parametrize("state", [WorkerState.BOOTING, WorkerState.LOADED])
def test_a_worker_that_has_not_served_ends_with_its_server_process(state: WorkerState) -> None:
    """There is nothing to finish."""
    assert worker_transition(state, WorkerEvent.PARENT_GONE).next is WorkerState.GONE


@pytest.mark.parametrize("state", [WorkerState.SERVING, WorkerState.ASKING, *FOR_GOOD[:1], WorkerState.RETIRING])
def test_an_orphan_looks_who_is_there_before_it_drains(state: WorkerState) -> None:
    """A successor's workers may take its connections; in any case it closes its listeners, with a deadline."""
    step = worker_transition(state, WorkerEvent.PARENT_GONE)
    assert WorkerAction.START_ORPHAN_TIMER in step.actions
    assert step.next in (WorkerState.RETIRING, WorkerState.LEAVING)
    received = worker_transition(step.next, WorkerEvent.RECEIVED)
    assert received.next is WorkerState.LEAVING
    assert {WorkerAction.LIMIT_RETIRING, WorkerAction.RELEASE} <= set(received.actions)
    unreceived = worker_transition(step.next, WorkerEvent.UNRECEIVED)
    assert unreceived.next is WorkerState.DRAINING
    assert {WorkerAction.LIMIT_DRAINING, WorkerAction.DRAIN, WorkerAction.RELEASE} <= set(unreceived.actions)


@pytest.mark.parametrize("state", UNDER_ARBITER)
def test_without_its_arbiter_a_worker_drains(state: WorkerState) -> None:
    """All its siblings do, so none of them takes its connections."""
    assert worker_transition(state, WorkerEvent.ARBITER_GONE).next is WorkerState.DRAINING


@pytest.mark.parametrize("state", UNDER_ARBITER)
def test_gunicorns_sigterm_may_come_any_number_of_times(state: WorkerState) -> None:
    """Each is noted, and the same one again changes nothing more."""
    first = worker_transition(state, WorkerEvent.STOP)
    assert WorkerAction.NOTE_STOP in first.actions
    again = worker_transition(first.next, WorkerEvent.STOP)
    assert again.next is first.next
    assert WorkerAction.SAY_WHY not in again.actions


def test_what_clients_see_of_a_worker_that_is_to_leave() -> None:
    """It serves on, and other processes do not count on it: one that has served enough and one that was told to go."""
    assert worker_transition(WorkerState.SERVING, WorkerEvent.SPENT).next is WorkerState.SPENT
    assert worker_transition(WorkerState.SPENT, WorkerEvent.GO).next is WorkerState.FOLLOWED
    assert worker_transition(WorkerState.SERVING, WorkerEvent.STOP).next is WorkerState.TOLD
    assert worker_transition(WorkerState.TOLD, WorkerEvent.GO).next is WorkerState.LEAVING
    assert SHOWN[WorkerState.SPENT] is SHOWN[WorkerState.TOLD] is State.HANDING_OVER
