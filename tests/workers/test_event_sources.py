"""The three event sources over a worker's table: each can do what the table asks of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from hotswap.lifecycle.worker_states import WorkerAction, WorkerEvent, WorkerState
from hotswap.lifecycle.worker_transitions import worker_transition
from hotswap.workers.foreign.start_gate import StartGate
from hotswap.workers.native.gunicorn_loop import GunicornLoop
from hotswap.workers.native.supervised_loop import SupervisedLoop

_E = WorkerEvent
BY_ARBITER = {_E.STOP, _E.SPENT, _E.GO, _E.GO_FOLLOWED, _E.ALONE, _E.FULL, _E.ARBITER_GONE}
BY_GATE = {_E.STOPPED, _E.STOPPED_TO_DRAIN}
SUPERVISED = set(WorkerEvent) - BY_ARBITER - BY_GATE
UNDER_ARBITER = BY_ARBITER | {_E.ACCEPT, _E.QUIT, _E.ABRT, _E.USR1, _E.EMPTY, _E.DEADLINE}
BEHIND_A_GATE = BY_GATE | {_E.LOADED, _E.ACCEPT}


def asked(events: Collection[WorkerEvent]) -> set[WorkerAction]:
    """Every action that a worker which is told these events can be asked for."""
    reached, actions = {WorkerState.BOOTING}, set[WorkerAction]()
    for _ in WorkerState:
        steps = [worker_transition(state, event) for state in reached for event in events]
        reached |= {step.next for step in steps}
        actions |= {action for step in steps for action in step.actions}
    return actions


@pytest.mark.parametrize(
    ("source", "events"),
    [(SupervisedLoop, SUPERVISED), (GunicornLoop, UNDER_ARBITER), (StartGate, BEHIND_A_GATE)],
)
def test_it_can_do_what_it_may_be_asked_for(source: Any, events: Collection[WorkerEvent]) -> None:
    """And nothing else: an action that it is never asked for is dead code."""
    assert set(source._ACTIONS) - {WorkerAction.HAMMER, WorkerAction.IGNORE} <= asked(events) <= set(source._ACTIONS)
