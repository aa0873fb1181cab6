"""The table of a worker's life.

Rule 1: everything that decides what a worker does next stands in `TRANSITIONS`, or in `worker_decisions`, and nowhere
else.
Rule 2: every pair of a state and an event stands there, also where nothing is done.
Rule 3: the new state is shown before anything is done: other processes must not count on a worker that leaves.
Rule 4: as there is no way back to the old state, an action that fails keeps none of those behind it from being done;
and a deadline is set first, so that a worker that leaves always ends.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from hotswap.lifecycle.worker_states import WorkerAction, WorkerEvent, WorkerState


@dataclass(frozen=True)
class WorkerTransition:
    """What one event does in one state: the next state, the actions in order, and what the log says (may be empty)."""

    next: WorkerState
    actions: tuple[WorkerAction, ...]
    says: str = ""


Pair = tuple[WorkerState, WorkerEvent]

_S, _E, _A = WorkerState, WorkerEvent, WorkerAction
_GO = WorkerTransition

#: Before it serves, and while it does.
_HERE = (_S.LOADED, _S.SERVING, _S.ASKING)
#: Under our server process: those in which it serves no more.
_AWAY = (_S.RETIRING, _S.LEAVING, _S.DRAINING)
#: Under gunicorn's arbiter: those in which connections are handed over for good.
_HANDS_OVER = (_S.LEAVING, _S.FOLLOWED)

_LEAVE = (_A.TELL_APPLICATION, _A.CANCEL_DEADLINE)
_RETIRE = (*_LEAVE, _A.HAND_OVER, _A.TELL_STATUS, _A.LOOK_SOON)
_RETIRE_ALONE = (*_LEAVE, _A.LIMIT_RETIRING, _A.HAND_OVER, _A.TELL_STATUS, _A.LOOK_SOON)
_DRAIN = (*_LEAVE, _A.DRAIN, _A.LOOK_SOON)
_RELEASE = (_A.RELEASE, _A.LOOK_SOON)
_ORPHAN_DRAIN = (*_LEAVE, _A.LIMIT_DRAINING, _A.DRAIN, *_RELEASE)

#: What an operator or a supervisor says, and what every worker does, however far it is.
_ALWAYS: dict[Pair, WorkerTransition] = {
    pair: step
    for state in _S
    if state is not _S.GONE
    for pair, step in {
        (state, _E.HAMMER): _GO(_S.GONE, (_A.HAMMER,)),
        (state, _E.QUIT): _GO(_S.GONE, (_A.CALL_INT_HOOK, _A.CUT)),
        (state, _E.ABRT): _GO(_S.GONE, (_A.ABORT,)),
        (state, _E.USR1): _GO(state, (_A.REOPEN_LOGS,)),
        (state, _E.REOPEN): _GO(state, (_A.REOPEN_LOGS,)),
    }.items()
}

#: A worker of our server process: it carries out orders, and leaves without an order only when that process is gone.
_SUPERVISED: dict[Pair, WorkerTransition] = {
    (_S.BOOTING, _E.LOADED): _GO(_S.LOADED, (_A.TELL_LOADED,)),
    (_S.BOOTING, _E.PARENT_GONE): _GO(_S.GONE, ()),
    (_S.LOADED, _E.ACCEPT): _GO(_S.SERVING, (_A.OPEN,)),
    (_S.LOADED, _E.PARENT_GONE): _GO(_S.GONE, ()),
    (_S.LOADED, _E.ENOUGH): _GO(_S.LOADED, (_A.ASK_FOR_REPLACEMENT,)),
    (_S.SERVING, _E.ENOUGH): _GO(_S.ASKING, (_A.ASK_FOR_REPLACEMENT,)),
    # The replacement serves before the order to leave comes.
    **{(state, _E.RETIRE): _GO(_S.RETIRING, _RETIRE) for state in (*_HERE, _S.RETIRING)},
    # Also to a worker that leaves alone already: now it hands over to what the successor has.
    **{(state, _E.RETIRE_ALONE): _GO(_S.LEAVING, _RETIRE_ALONE) for state in (*_HERE, _S.RETIRING, _S.LEAVING)},
    **{(state, _E.DRAIN): _GO(_S.DRAINING, _DRAIN) for state in (*_HERE, *_AWAY)},
    (_S.RETIRING, _E.TAKE_BACK): _GO(_S.SERVING, (_A.TAKE_BACK,)),
    # It was told to leave before, and has not heard it: its channel was full.
    **{(state, _E.RELEASE): _GO(_S.DRAINING, (*_DRAIN, *_RELEASE)) for state in _HERE},
    (_S.RETIRING, _E.RELEASE): _GO(_S.LEAVING, _RELEASE),
    (_S.LEAVING, _E.RELEASE): _GO(_S.LEAVING, _RELEASE),
    (_S.DRAINING, _E.RELEASE): _GO(_S.DRAINING, _RELEASE),
    # No process would ever restart or stop it. A successor of its server, or a predecessor that takes back, may take
    # the connections; which of them is there is asked a moment later.
    **{
        (state, _E.PARENT_GONE): _GO(
            _S.RETIRING, (_A.SAY_ORPHANED, _A.START_ORPHAN_TIMER, *_LEAVE, _A.HAND_OVER, _A.LOOK_SOON)
        )
        for state in (_S.SERVING, _S.ASKING)
    },
    **{(state, _E.PARENT_GONE): _GO(state, (_A.SAY_ORPHANED, _A.START_ORPHAN_TIMER)) for state in _AWAY},
    (_S.RETIRING, _E.RECEIVED): _GO(_S.LEAVING, (_A.LIMIT_RETIRING, *_RELEASE)),
    (_S.LEAVING, _E.RECEIVED): _GO(_S.LEAVING, (_A.LIMIT_RETIRING, *_RELEASE)),
    (_S.DRAINING, _E.RECEIVED): _GO(_S.DRAINING, (_A.LIMIT_RETIRING, *_RELEASE)),
    **{(state, _E.UNRECEIVED): _GO(_S.DRAINING, _ORPHAN_DRAIN) for state in _AWAY},
    # Ctrl-C reaches the whole process group, so the server process too, which then says how to leave.
    **{(state, _E.INT): _GO(state, (_A.START_INT_TIMER,)) for state in _HERE},
    **{(state, _E.INT_UNANSWERED): _GO(_S.GONE, (_A.CALL_INT_HOOK, _A.CUT)) for state in _HERE},
    **{
        (state, _E.ENOUGH): _GO(state, (_A.IGNORE,), "a request for a replacement is ignored: it is leaving")
        for state in _AWAY
    },
    **{(state, _E.INT): _GO(state, (_A.IGNORE,), "SIGINT while leaving: already leaving") for state in _AWAY},
}

#: A worker under gunicorn's arbiter, which says nothing but signals.
_UNDER_ARBITER: dict[Pair, WorkerTransition] = {
    (_S.BOOTING, _E.ACCEPT): _GO(_S.SERVING, (_A.OPEN,)),
    # The signal came while the application was loaded, and no younger worker boots: there is nothing to stay for.
    (_S.BOOTING, _E.STOP): _GO(
        _S.LEAVING, (_A.NOTE_STOP, _A.SAY_WHY, _A.LIMIT_DRAINING, _A.TELL_APPLICATION, _A.HAND_OVER, _A.LOOK_SOON)
    ),
    (_S.SERVING, _E.SPENT): _GO(_S.SPENT, (_A.SAY_WHY,)),
    **{
        (state, _E.STOP): _GO(_S.TOLD, (_A.NOTE_STOP, _A.LIMIT_DRAINING, _A.SAY_WHY, _A.LOOK_SOON))
        for state in (_S.SERVING, _S.SPENT)
    },
    (_S.TOLD, _E.STOP): _GO(_S.TOLD, (_A.NOTE_STOP, _A.LOOK_SOON)),
    (_S.FOLLOWED, _E.STOP): _GO(_S.LEAVING, (_A.NOTE_STOP, _A.SAY_WHY, _A.LOOK_SOON)),
    (_S.LEAVING, _E.STOP): _GO(_S.LEAVING, (_A.NOTE_STOP, _A.LOOK_SOON)),
    (_S.DRAINING, _E.STOP): _GO(_S.DRAINING, (_A.NOTE_STOP, _A.LOOK_SOON)),
    (_S.SPENT, _E.GO): _GO(_S.FOLLOWED, (_A.LIMIT_DRAINING, _A.TELL_APPLICATION, _A.HAND_OVER)),
    (_S.TOLD, _E.GO): _GO(_S.LEAVING, (_A.LIMIT_DRAINING, _A.TELL_APPLICATION, _A.HAND_OVER)),
    (_S.TOLD, _E.GO_FOLLOWED): _GO(_S.FOLLOWED, (_A.LIMIT_DRAINING, _A.TELL_APPLICATION, _A.HAND_OVER)),
    **{(state, _E.ALONE): _GO(_S.DRAINING, (_A.TELL_APPLICATION, _A.DRAIN)) for state in _HANDS_OVER},
    **{(state, _E.FULL): _GO(_S.DRAINING, (_A.TELL_APPLICATION, _A.DRAIN_OWN)) for state in _HANDS_OVER},
    # All its workers leave, so none of them receives; no process would ever reload or stop them.
    **{
        (state, _E.ARBITER_GONE): _GO(
            _S.DRAINING, (_A.SAY_ORPHANED, _A.LIMIT_DRAINING, _A.TELL_APPLICATION, _A.DRAIN, _A.LOOK_SOON)
        )
        for state in (_S.BOOTING, _S.SERVING, _S.SPENT, _S.TOLD, _S.LEAVING, _S.FOLLOWED)
    },
    (_S.TOLD, _E.DEADLINE): _GO(_S.GONE, (_A.CUT,)),
}

#: A worker class of gunicorn's: it is past its gate, and tells what its own code has begun.
_FOREIGN: dict[Pair, WorkerTransition] = {
    (_S.SERVING, _E.STOPPED): _GO(_S.LEAVING, (_A.TELL_STOPPED, _A.TELL_APPLICATION)),
    (_S.SERVING, _E.STOPPED_TO_DRAIN): _GO(_S.DRAINING, (_A.TELL_STOPPED, _A.TELL_APPLICATION)),
}

_ENDS: dict[Pair, WorkerTransition] = {
    **{(state, _E.EMPTY): _GO(_S.GONE, ()) for state in (_S.LEAVING, _S.FOLLOWED, _S.DRAINING)},
    **{(state, _E.DEADLINE): _GO(_S.GONE, (_A.CUT,)) for state in (_S.LEAVING, _S.FOLLOWED, _S.DRAINING)},
}

#: What is late (a timer that was not cancelled in time, an order that crossed a message of ours), what a worker of this
#: way of running, or in this state, is never told, and everything once it is gone.
_NOTHING: dict[Pair, WorkerTransition] = {
    pair: _GO(pair[0], (_A.IGNORE,))
    for pair in itertools.product(_S, _E)
    if pair not in {**_ALWAYS, **_SUPERVISED, **_UNDER_ARBITER, **_FOREIGN, **_ENDS}
}

TRANSITIONS: dict[Pair, WorkerTransition] = {
    **_ALWAYS,
    **_SUPERVISED,
    **_UNDER_ARBITER,
    **_FOREIGN,
    **_ENDS,
    **_NOTHING,
}


def worker_transition(state: WorkerState, event: WorkerEvent) -> WorkerTransition:
    """What `event` does in `state`; every pair has an answer."""
    return TRANSITIONS[state, event]
