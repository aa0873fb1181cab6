"""The table of transitions: every pair has an answer, and the answers are those of docs/signals.md."""

from __future__ import annotations

import itertools

import pytest

from hotswap.lifecycle.states import Action, Event, State
from hotswap.lifecycle.transitions import TRANSITIONS, transition

SIGNALS = [event for event in Event if event.value.startswith("SIG")]
BOOTS = [State.RESTARTING, State.UPGRADING, State.YIELDING]
SWAPS = [State.HANDING_OVER, State.UPGRADED]
RETIRES = [State.RETIRING, State.HURRYING]
LAME = [State.LAME_DUCK, State.STOPPING]
SERVES = [State.SERVING, *BOOTS, *SWAPS]


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


@pytest.mark.parametrize("state", [*BOOTS, *SWAPS])
@pytest.mark.parametrize("event", [Event.FAILED, Event.TERMINATED])
def test_a_failed_restart_is_a_transition_back_to_serving(state: State, event: Event) -> None:
    """A bad deploy changes nothing, and a HUP that came meanwhile gets its restart."""
    if (state, event) == (State.YIELDING, Event.TERMINATED):
        return  # both were told to stop
    step = transition(state, event)
    assert step.next is State.SERVING
    assert step.actions[-2:] == (Action.REPORT_FAILURE, Action.START_IF_REMEMBERED)
    # The successor renames the pid file before it says ready.
    assert Action.REAPPEAR in step.actions


@pytest.mark.parametrize(("event", "expected"), [(Event.HUP, State.RESTARTING), (Event.USR2, State.UPGRADING)])
def test_hup_and_usr2_start_a_successor(event: Event, expected: State) -> None:
    """gunicorn's, nginx's, puma's and unicorn's hands all find their signal."""
    assert transition(State.SERVING, event).next is expected
    assert transition(State.SERVING, event).actions == (Action.START_SUCCESSOR,)


def test_at_most_one_successor_boots() -> None:
    """A second HUP is remembered, never a second start."""
    for state in (*BOOTS, *SWAPS, *RETIRES, State.DRAINING):
        for event in (Event.HUP, Event.USR2):
            assert Action.START_SUCCESSOR not in transition(state, event).actions


def test_term_means_retire_only_after_ready() -> None:
    """SIGTERM can be the operator's or the successor's: the ready message tells which."""
    assert transition(State.RESTARTING, Event.TERM).next is State.DRAINING
    assert transition(State.RESTARTING, Event.TERM).actions == (Action.STOP_SUCCESSOR, Action.DRAIN)
    assert transition(State.HANDING_OVER, Event.TERM).next is State.RETIRING


@pytest.mark.parametrize("event", [Event.TERM, Event.OVERDUE])
def test_the_way_back_stays_open_after_a_hup(event: Event) -> None:
    """After SIGUSR2 it does not: its sender ends the old process when he trusts the new one."""
    assert transition(State.HANDING_OVER, event).actions[0] is Action.RETIRE_OR_PARK
    assert transition(State.UPGRADED, event).actions[0] is Action.RETIRE
    assert transition(State.RETIRING, Event.PROBATION).next is State.PARKED
    assert transition(State.HURRYING, Event.PROBATION).next is State.HURRYING


def test_a_parked_process_serves_again() -> None:
    """When its successor dies; and when it is wanted back: then a SIGHUP that was remembered is forgotten, for it would
    start the same version again."""
    lost, rollback = transition(State.PARKED, Event.LOST), transition(State.PARKED, Event.ROLLBACK)
    assert lost == transition(State.RETIRING, Event.LOST)
    assert rollback.next is State.SERVING
    assert rollback.actions == (Action.ROLL_BACK, Action.REAPPEAR, Action.REPORT_FAILURE)


@pytest.mark.parametrize("state", [state for state in State if state is not State.PARKED])
@pytest.mark.parametrize("event", [Event.PROVEN, Event.ROLLBACK])
def test_only_a_parked_process_is_wanted_back(state: State, event: Event) -> None:
    """In every other state it is too late for that, or too soon."""
    assert transition(state, event) == (state, (Action.IGNORE,), "")


@pytest.mark.parametrize("state", list(State))
def test_one_that_was_taken_back_retires(state: State) -> None:
    """Unless it leaves already, or has a successor under way: then that is what serves next."""
    step = transition(state, Event.TAKEN_BACK)
    if state in (State.SERVING, *LAME):
        assert step == (State.RETIRING, (Action.RETIRE_TO_PREDECESSOR,), "")
    else:
        assert step == (state, (Action.IGNORE,), "")


def test_a_parked_process_goes_when_its_successor_is_proven() -> None:
    """As one that retires. It never goes before, for want of something to do or because time is up."""
    assert transition(State.PARKED, Event.PROVEN).next is State.RETIRING
    for event in (Event.EMPTY, Event.DEADLINE):
        assert transition(State.PARKED, event) == (State.PARKED, (Action.IGNORE,), "")


def test_a_stop_of_a_parked_process_is_a_stop_of_the_server() -> None:
    """Whichever of the two an operator tells."""
    assert transition(State.PARKED, Event.TERM).next is State.HURRYING
    assert transition(State.PARKED, Event.TERM).actions == (Action.STOP_BOTH,)
    assert transition(State.PARKED, Event.HANG_UP)[:2] == transition(State.PARKED, Event.INT)[:2]
    assert transition(State.PARKED, Event.STARTER_GONE).next is State.DRAINING
    assert transition(State.HURRYING, Event.LOST).next is State.DRAINING


@pytest.mark.parametrize("event", [Event.TERM, Event.QUIT])
def test_after_usr2_the_old_process_alone_is_told_to_end(event: Event) -> None:
    """USR2, some seconds, TERM or QUIT, in gunicorn's order: ready or not, none of them ends the successor."""
    told = transition(State.UPGRADING, event)
    assert told.next is State.YIELDING
    assert told.actions == (Action.IGNORE,)
    assert transition(State.YIELDING, event).next is State.YIELDING
    assert transition(State.YIELDING, Event.READY).next is State.UPGRADED
    assert transition(State.UPGRADING, Event.READY).next is State.UPGRADED
    assert transition(State.UPGRADED, event).actions[0] is Action.RETIRE


def test_usr2_while_a_successor_boots_protects_that_one_too() -> None:
    """Its sender will tell this process to end, whichever of the two restarts is under way by then."""
    step = transition(State.RESTARTING, Event.USR2)
    assert step.next is State.UPGRADING
    assert step.actions == (Action.REMEMBER_UPGRADE,)
    assert transition(State.UPGRADING, Event.HUP).next is State.UPGRADING


@pytest.mark.parametrize("state", [*BOOTS, *SWAPS])
def test_ctrl_c_stops_both(state: State) -> None:
    """However the restart began."""
    step = transition(state, Event.INT)
    assert step.next is State.DRAINING
    assert step.actions == (Action.STOP_SUCCESSOR, Action.DRAIN)


def test_a_stop_of_all_processes_is_a_stop() -> None:
    """systemd tells the booting successor too, which ends by it: then there is nothing to wait for."""
    step = transition(State.YIELDING, Event.TERMINATED)
    assert step.next is State.DRAINING
    assert Action.DRAIN in step.actions


def test_other_processes_need_not_know_how_a_restart_began() -> None:
    """Releases that do not know a state would not count on a process that is in it."""
    assert {state.shown for state in BOOTS} == {"restarting"}
    assert {state.shown for state in SWAPS} == {"handing-over"}
    assert {state.shown for state in RETIRES} == {"retiring"}
    assert {state.shown for state in LAME} == {"serving"}
    assert all(state.shown == state.value for state in State if state not in (*BOOTS, *SWAPS, *RETIRES, *LAME))


@pytest.mark.parametrize(("state", "action"), [(State.RETIRING, Action.PASS_ON_STOP), (State.DRAINING, Action.IGNORE)])
def test_term_is_tolerated_while_leaving(state: State, action: Action) -> None:
    """Server::Starter sends TERM again at every later HUP: it must be taken calmly, any number of times."""
    assert transition(state, Event.TERM).next is state
    assert transition(state, Event.TERM).actions == (action,)


@pytest.mark.parametrize("state", [State.HURRYING, State.DRAINING])
@pytest.mark.parametrize("event", [Event.INT, Event.QUIT, Event.DEADLINE])
def test_leaving_ends_by_force(state: State, event: Event) -> None:
    """A second Ctrl-C, a QUIT and the deadline are the hammer."""
    step = transition(state, event)
    assert step.next is State.GONE
    assert step.actions == (Action.HAMMER,)


def test_ctrl_c_once_cuts_nothing() -> None:
    """A terminal sends it to a generation that retires, too, where a client waits for its answer."""
    assert transition(State.RETIRING, Event.INT).next is State.HURRYING
    assert transition(State.RETIRING, Event.INT).actions == (Action.HURRY,)


@pytest.mark.parametrize("state", [*SERVES, *RETIRES, State.DRAINING])
def test_a_hang_up_is_as_one_ctrl_c(state: State) -> None:
    """But for the second: the terminal is closed once, and the starter's SIGTERM may have come before."""
    step = transition(state, Event.HANG_UP)
    if state in (State.HURRYING, State.DRAINING):
        assert step == (state, (Action.IGNORE,), "")
    else:
        assert step[:2] == transition(state, Event.INT)[:2]


def test_hup_while_leaving() -> None:
    """A retiring process passes the HUP on to the one that serves; a draining one says that it was told to stop."""
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
    """A process that serves and sees a younger generation serve, not its own successor, retires to it."""
    step = transition(State.SERVING, Event.SUPERSEDED)
    assert step.next is State.RETIRING
    assert step.actions == (Action.RETIRE_TO_YOUNGER,)


def test_a_stop_that_load_balancers_notice_first() -> None:
    """With `lame_duck`, SIGTERM and then some seconds in which all is answered but health; a booting successor goes."""
    assert transition(State.SERVING, Event.TERM_SOFTLY) == (State.STOPPING, (Action.BOW_OUT,), "")
    assert transition(State.RESTARTING, Event.TERM_SOFTLY)[:2] == (
        State.STOPPING,
        (Action.STOP_SUCCESSOR, Action.BOW_OUT),
    )
    assert transition(State.STOPPING, Event.LAME_DUCK_OVER) == (State.DRAINING, (Action.DRAIN,), "")
    assert transition(State.STOPPING, Event.HUP).next is State.STOPPING
    assert "told to stop" in transition(State.STOPPING, Event.HUP).says


@pytest.mark.parametrize("event", [Event.TERM, Event.TERM_SOFTLY, Event.INT, Event.HANG_UP, Event.STARTER_GONE])
def test_a_lame_duck_is_cut_short(event: Event) -> None:
    """Told once more, it drains; and QUIT ends it."""
    assert transition(State.STOPPING, event)[:2] == (State.DRAINING, (Action.DRAIN,))
    assert transition(State.STOPPING, Event.QUIT)[:2] == (State.GONE, (Action.HAMMER,))


def test_a_restart_is_the_way_back_from_a_drain() -> None:
    """`hotswap drain` has no end of its own: a successor is no lame duck, and a stop needs no second one."""
    assert transition(State.SERVING, Event.URG) == (State.LAME_DUCK, (Action.BEGIN_LAME_DUCK,), "")
    for event, state in ((Event.HUP, State.RESTARTING), (Event.USR2, State.UPGRADING)):
        assert transition(State.LAME_DUCK, event) == (state, (Action.START_SUCCESSOR,), "")
    assert transition(State.LAME_DUCK, Event.TERM)[:2] == (State.DRAINING, (Action.DRAIN,))
    assert transition(State.LAME_DUCK, Event.TERM_SOFTLY)[:2] == (State.STOPPING, (Action.BOW_OUT,))


@pytest.mark.parametrize("state", LAME)
def test_a_lame_duck_serves_as_before(state: State) -> None:
    """What does not stop or restart it does what it does to a process that serves."""
    for event in (Event.USR1, Event.TTIN, Event.TTOU, Event.TSTP):
        assert transition(state, event) == (state, transition(State.SERVING, event).actions, "")
    assert transition(state, Event.SUPERSEDED) == transition(State.SERVING, Event.SUPERSEDED)
