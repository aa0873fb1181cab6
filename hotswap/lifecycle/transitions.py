"""The table of a generation's life.

Rule 1: everything that decides what a generation does next stands in `TRANSITIONS`, and nowhere else.
Rule 2: every pair of a state and an event stands there, also where nothing is done; then its sentence says why.
Rule 3: a failed restart is a normal transition back to SERVING.
"""

from __future__ import annotations

from dataclasses import dataclass

from hotswap.lifecycle.states import Action, Event, State


@dataclass(frozen=True)
class Transition:
    """What one event does in one state: the next state, the actions in order, and what the log says (may be empty)."""

    next: State
    actions: tuple[Action, ...]
    says: str = ""


def _stay(state: State, *actions: Action, says: str = "") -> Transition:
    return Transition(state, actions, says)


_S, _E, _A = State, Event, Action
_SIGNALS = (_E.HUP, _E.USR2, _E.TERM, _E.INT, _E.QUIT, _E.USR1, _E.TTIN, _E.TTOU, _E.TSTP)
_NEWS = tuple(event for event in Event if event not in _SIGNALS)

TRANSITIONS: dict[tuple[State, Event], Transition] = {
    # BOOTING: signals wait in the queue, for there is nothing yet that could be restarted or drained.
    **{(_S.BOOTING, event): _stay(_S.BOOTING, _A.DEFER) for event in _SIGNALS},
    (_S.BOOTING, _E.BOOTED): Transition(_S.SERVING, ()),
    # SERVING
    (_S.SERVING, _E.HUP): Transition(_S.RESTARTING, (_A.START_SUCCESSOR,)),
    (_S.SERVING, _E.USR2): Transition(_S.RESTARTING, (_A.START_SUCCESSOR,)),
    (_S.SERVING, _E.TERM): Transition(_S.DRAINING, (_A.DRAIN,)),
    (_S.SERVING, _E.INT): Transition(_S.DRAINING, (_A.DRAIN,)),
    (_S.SERVING, _E.QUIT): Transition(_S.GONE, (_A.HAMMER,), "SIGQUIT: stopping at once"),
    (_S.SERVING, _E.SUPERSEDED): Transition(
        _S.RETIRING, (_A.RETIRE_TO_YOUNGER,), "a younger generation serves, whose predecessor is gone: retiring to it"
    ),
    (_S.SERVING, _E.USR1): _stay(_S.SERVING, _A.REOPEN_LOGS),
    (_S.SERVING, _E.TTIN): _stay(_S.SERVING, _A.MORE_WORKERS),
    (_S.SERVING, _E.TTOU): _stay(_S.SERVING, _A.FEWER_WORKERS),
    (_S.SERVING, _E.TSTP): _stay(_S.SERVING, _A.SUSPEND),
    # RESTARTING: a successor boots. A TERM that finds a ready message in the pipe is seen after READY,
    # because the pipe is read before any signal is acted on.
    (_S.RESTARTING, _E.HUP): _stay(
        _S.RESTARTING, _A.REMEMBER, says="SIGHUP while a successor boots: one more restart follows this one"
    ),
    (_S.RESTARTING, _E.USR2): _stay(
        _S.RESTARTING, _A.REMEMBER, says="SIGUSR2 while a successor boots: one more restart follows this one"
    ),
    (_S.RESTARTING, _E.TERM): Transition(_S.DRAINING, (_A.STOP_SUCCESSOR, _A.DRAIN)),
    (_S.RESTARTING, _E.INT): Transition(_S.DRAINING, (_A.STOP_SUCCESSOR, _A.DRAIN)),
    (_S.RESTARTING, _E.QUIT): Transition(
        _S.GONE, (_A.KILL_SUCCESSOR, _A.HAMMER), "SIGQUIT: stopping at once, the booting successor too"
    ),
    (_S.RESTARTING, _E.USR1): _stay(_S.RESTARTING, _A.REOPEN_LOGS),
    (_S.RESTARTING, _E.TTIN): _stay(_S.RESTARTING, _A.MORE_WORKERS),
    (_S.RESTARTING, _E.TTOU): _stay(_S.RESTARTING, _A.FEWER_WORKERS),
    (_S.RESTARTING, _E.TSTP): _stay(_S.RESTARTING, _A.SUSPEND),
    (_S.RESTARTING, _E.READY): Transition(_S.HANDING_OVER, (_A.ANNOUNCE_SUCCESSOR,)),
    # Also here: it may have died after it had put its pid into the file, and before it said ready.
    (_S.RESTARTING, _E.FAILED): Transition(
        _S.SERVING, (_A.REAPPEAR, _A.REPORT_FAILURE, _A.START_IF_REMEMBERED)
    ),
    # HANDING_OVER: the successor serves already, so does this process; only the SIGTERM is missing.
    (_S.HANDING_OVER, _E.HUP): _stay(
        _S.HANDING_OVER, _A.REMEMBER, says="SIGHUP during the swap: it goes to the successor"
    ),
    (_S.HANDING_OVER, _E.USR2): _stay(
        _S.HANDING_OVER, _A.REMEMBER, says="SIGUSR2 during the swap: it goes to the successor"
    ),
    (_S.HANDING_OVER, _E.TERM): Transition(_S.RETIRING, (_A.RETIRE, _A.PASS_ON_IF_REMEMBERED)),
    (_S.HANDING_OVER, _E.OVERDUE): Transition(
        _S.RETIRING,
        (_A.RETIRE, _A.PASS_ON_IF_REMEMBERED),
        "the successor is ready and lives, but its SIGTERM did not come: retiring all the same",
    ),
    (_S.HANDING_OVER, _E.INT): Transition(_S.DRAINING, (_A.STOP_SUCCESSOR, _A.DRAIN)),
    (_S.HANDING_OVER, _E.QUIT): Transition(
        _S.GONE, (_A.KILL_SUCCESSOR, _A.HAMMER), "SIGQUIT: stopping at once, the successor too"
    ),
    (_S.HANDING_OVER, _E.USR1): _stay(_S.HANDING_OVER, _A.REOPEN_LOGS),
    (_S.HANDING_OVER, _E.TTIN): _stay(_S.HANDING_OVER, _A.MORE_WORKERS),
    (_S.HANDING_OVER, _E.TTOU): _stay(_S.HANDING_OVER, _A.FEWER_WORKERS),
    (_S.HANDING_OVER, _E.TSTP): _stay(_S.HANDING_OVER, _A.SUSPEND),
    (_S.HANDING_OVER, _E.FAILED): Transition(
        _S.SERVING, (_A.REAPPEAR, _A.REPORT_FAILURE, _A.START_IF_REMEMBERED)
    ),
    # RETIRING: somebody else serves. The deadline and the impatient signals end by force.
    (_S.RETIRING, _E.HUP): _stay(_S.RETIRING, _A.PASS_ON),
    (_S.RETIRING, _E.USR2): _stay(_S.RETIRING, _A.PASS_ON),
    (_S.RETIRING, _E.TERM): _stay(_S.RETIRING, _A.IGNORE, says="SIGTERM while retiring: already leaving"),
    (_S.RETIRING, _E.INT): Transition(_S.GONE, (_A.HAMMER,), "SIGINT while retiring: ending what still runs"),
    (_S.RETIRING, _E.QUIT): Transition(_S.GONE, (_A.HAMMER,), "SIGQUIT while retiring: ending what still runs"),
    (_S.RETIRING, _E.USR1): _stay(_S.RETIRING, _A.REOPEN_LOGS),
    (_S.RETIRING, _E.TTIN): _stay(_S.RETIRING, _A.IGNORE, says="SIGTTIN while retiring: ignored, another serves"),
    (_S.RETIRING, _E.TTOU): _stay(_S.RETIRING, _A.IGNORE, says="SIGTTOU while retiring: ignored, another serves"),
    (_S.RETIRING, _E.TSTP): _stay(_S.RETIRING, _A.SUSPEND),
    (_S.RETIRING, _E.LOST): Transition(
        _S.SERVING, (_A.TAKE_BACK, _A.REAPPEAR, _A.REPORT_FAILURE, _A.START_IF_REMEMBERED)
    ),
    (_S.RETIRING, _E.DEADLINE): Transition(_S.GONE, (_A.HAMMER,), "retire_timeout is over: ending what still runs"),
    (_S.RETIRING, _E.EMPTY): Transition(_S.GONE, ()),
    # DRAINING: nobody serves after us.
    (_S.DRAINING, _E.HUP): _stay(
        _S.DRAINING, _A.IGNORE, says="SIGHUP while draining: ignored, this server was told to stop; start it anew"
    ),
    (_S.DRAINING, _E.USR2): Transition(_S.GONE, (_A.HAMMER,), "SIGUSR2 while draining: ending what still runs"),
    (_S.DRAINING, _E.TERM): _stay(_S.DRAINING, _A.IGNORE, says="SIGTERM while draining: already leaving"),
    (_S.DRAINING, _E.INT): Transition(_S.GONE, (_A.HAMMER,), "SIGINT while draining: ending what still runs"),
    (_S.DRAINING, _E.QUIT): Transition(_S.GONE, (_A.HAMMER,), "SIGQUIT while draining: ending what still runs"),
    (_S.DRAINING, _E.USR1): _stay(_S.DRAINING, _A.REOPEN_LOGS),
    (_S.DRAINING, _E.TTIN): _stay(_S.DRAINING, _A.IGNORE, says="SIGTTIN while draining: ignored"),
    (_S.DRAINING, _E.TTOU): _stay(_S.DRAINING, _A.IGNORE, says="SIGTTOU while draining: ignored"),
    (_S.DRAINING, _E.TSTP): _stay(_S.DRAINING, _A.SUSPEND),
    (_S.DRAINING, _E.DEADLINE): Transition(
        _S.GONE, (_A.HAMMER,), "graceful_timeout is over: ending what still runs"
    ),
    (_S.DRAINING, _E.EMPTY): Transition(_S.GONE, ()),
    # A successor that was told to stop, or that we no longer wait for, has nothing to tell any more.
    **{
        (state, event): _stay(state, _A.IGNORE)
        for state in (_S.RETIRING, _S.DRAINING)
        for event in (_E.READY, _E.FAILED, _E.OVERDUE)
    },
    (_S.DRAINING, _E.LOST): _stay(_S.DRAINING, _A.IGNORE),
    # News that cannot concern the state: it is late, or the timer that brought it was not cancelled in time.
    (_S.RESTARTING, _E.OVERDUE): _stay(_S.RESTARTING, _A.IGNORE),
    (_S.HANDING_OVER, _E.READY): _stay(_S.HANDING_OVER, _A.IGNORE),
    **{
        (state, event): _stay(state, _A.IGNORE)
        for state in (_S.SERVING, _S.RESTARTING, _S.HANDING_OVER, _S.RETIRING, _S.DRAINING)
        for event in (_E.BOOTED,)
    },
    **{(_S.BOOTING, event): _stay(_S.BOOTING, _A.IGNORE) for event in _NEWS if event is not _E.BOOTED},
    **{
        (_S.SERVING, event): _stay(_S.SERVING, _A.IGNORE)
        for event in _NEWS
        if event not in (_E.BOOTED, _E.SUPERSEDED)
    },
    **{
        (state, _E.SUPERSEDED): _stay(state, _A.IGNORE)
        for state in (_S.RESTARTING, _S.HANDING_OVER, _S.RETIRING, _S.DRAINING)
    },
    **{
        (state, event): _stay(state, _A.IGNORE)
        for state in (_S.RESTARTING, _S.HANDING_OVER)
        for event in (_E.LOST, _E.DEADLINE, _E.EMPTY)
    },
    # GONE: too late for everything.
    **{(_S.GONE, event): _stay(_S.GONE, _A.IGNORE) for event in _E},
}


def transition(state: State, event: Event) -> Transition:
    """What `event` does in `state`; every pair has an answer."""
    return TRANSITIONS[state, event]
