"""The table of transitions: every pair has an answer, and the answers are those of docs/signals.md."""

from __future__ import annotations

import itertools

import pytest

from hotswap.lifecycle.states import Action, Event, State
from hotswap.lifecycle.transitions import TRANSITIONS, transition

SIGNALS = [event for event in Event if event.value.startswith("SIG")]
SERVES = [State.SERVING, State.RESTARTING, State.HANDING_OVER]


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_pair_has_an_answer(state: State, event: Event) -> None:
    """Whatever happens whenever, it is written down what is done, if only that it is ignored."""
    step = transition(state, event)
    assert step.actions or step.next is not state


def test_nothing_else_stands_in_the_table() -> None:
    """The table is exactly the product of states and events."""
    assert set(TRANSITIONS) == set(itertools.product(State, Event))


@pytest.mark.parametrize("state", list(State))
def test_every_state_is_left_or_final(state: State) -> None:
    """From every state there is a way to GONE: nothing can get stuck for good."""
    reached = {state}
    for _ in State:
        reached |= {transition(at, event).next for at in reached for event in Event}
    assert State.GONE in reached


@pytest.mark.parametrize("state", [State.RESTARTING, State.HANDING_OVER])
def test_a_failed_restart_is_a_transition_back_to_serving(state: State) -> None:
    """A bad deploy changes nothing, and a HUP that came meanwhile gets its restart."""
    step = transition(state, Event.FAILED)
    assert step.next is State.SERVING
    assert step.actions[-2:] == (Action.REPORT_FAILURE, Action.START_IF_REMEMBERED)
    # The successor renames the pid file before it says ready.
    assert Action.REAPPEAR in step.actions


@pytest.mark.parametrize(("event", "expected"), [(Event.HUP, State.RESTARTING), (Event.USR2, State.RESTARTING)])
def test_hup_and_usr2_start_a_successor(event: Event, expected: State) -> None:
    """gunicorn's, nginx's, puma's and unicorn's hands all find their signal."""
    assert transition(State.SERVING, event).next is expected
    assert transition(State.SERVING, event).actions == (Action.START_SUCCESSOR,)


def test_at_most_one_successor_boots() -> None:
    """A second HUP is remembered, never a second start."""
    for state in (State.RESTARTING, State.HANDING_OVER, State.RETIRING, State.DRAINING):
        for event in (Event.HUP, Event.USR2):
            assert Action.START_SUCCESSOR not in transition(state, event).actions


def test_term_means_retire_only_after_ready() -> None:
    """SIGTERM can be the operator's or the successor's: the ready message tells which."""
    assert transition(State.RESTARTING, Event.TERM).next is State.DRAINING
    assert transition(State.RESTARTING, Event.TERM).actions == (Action.STOP_SUCCESSOR, Action.DRAIN)
    assert transition(State.HANDING_OVER, Event.TERM).next is State.RETIRING


@pytest.mark.parametrize("state", [State.RETIRING, State.DRAINING])
def test_term_is_tolerated_while_leaving(state: State) -> None:
    """Server::Starter sends TERM again at every later HUP: it must be taken calmly, any number of times."""
    assert transition(state, Event.TERM).next is state
    assert transition(state, Event.TERM).actions == (Action.IGNORE,)


@pytest.mark.parametrize("state", [State.RETIRING, State.DRAINING])
@pytest.mark.parametrize("event", [Event.INT, Event.QUIT, Event.DEADLINE])
def test_leaving_ends_by_force(state: State, event: Event) -> None:
    """A second Ctrl-C, a QUIT and the deadline are the hammer."""
    step = transition(state, event)
    assert step.next is State.GONE
    assert step.actions == (Action.HAMMER,)


def test_hup_while_leaving() -> None:
    """A retiring process passes the HUP on to whoever serves; a draining one says that it was told to stop."""
    assert transition(State.RETIRING, Event.HUP).actions == (Action.PASS_ON,)
    assert transition(State.DRAINING, Event.HUP).says


def test_usr2_while_draining_is_endless_hammer() -> None:
    """endless calls it hammer now."""
    assert transition(State.DRAINING, Event.USR2).actions == (Action.HAMMER,)


def test_a_lost_successor_is_replaced_by_who_was_there_before() -> None:
    """As long as the listeners are held, RETIRING goes back to SERVING."""
    step = transition(State.RETIRING, Event.LOST)
    assert step.next is State.SERVING
    assert step.actions[0] is Action.TAKE_BACK


def test_signals_wait_while_booting() -> None:
    """Nothing can be restarted or drained yet, and nothing may be lost."""
    for event in SIGNALS:
        assert transition(State.BOOTING, event).actions == (Action.DEFER,)


def test_usr1_reopens_logs_wherever_somebody_logs() -> None:
    """logrotate does not know in which state a process is."""
    for state in (*SERVES, State.RETIRING, State.DRAINING):
        assert Action.REOPEN_LOGS in transition(state, Event.USR1).actions


def test_every_action_is_used() -> None:
    """An action that no transition names is dead code in the server."""
    used = {action for step in TRANSITIONS.values() for action in step.actions}
    assert used == set(Action)


def test_two_generations_do_not_serve_side_by_side() -> None:
    """Whoever serves and sees a younger generation serve, which is not its own successor, retires to it."""
    step = transition(State.SERVING, Event.SUPERSEDED)
    assert step.next is State.RETIRING
    assert step.actions == (Action.RETIRE_TO_YOUNGER,)
