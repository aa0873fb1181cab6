"""The table of a generation's life.

Rule 1: all that decides what a generation does next stands in `TRANSITIONS`, and nowhere else. The rows for leaving
are written in `leaving_transitions.py`.
Rule 2: every pair of a state and an event stands there, also one that is ignored.
Rule 3: a failed restart is a normal transition back to SERVING.
"""

from __future__ import annotations

from hotswap.lifecycle.leaving_transitions import LEAVING
from hotswap.lifecycle.states import Action, Event, State
from hotswap.lifecycle.transition_rows import BOOTS, LAME, NEWS, RETIRES, SIGNALS, SWAPS, Transition, stay

_S, _E, _A = State, Event, Action
#: Ctrl-C, the first of two: at a terminal a developer waits.
_AGAIN = "SIGINT: stopping when what runs is finished; Ctrl-C again to cut requests"


_TO_YOUNGER = Transition(
    _S.RETIRING, (_A.RETIRE_TO_YOUNGER,), "a younger generation serves, which is not our successor: retiring to it"
)


def _while_serving_on(state: State) -> dict[tuple[State, Event], Transition]:
    """What does not change while a successor is on its way."""
    # REAPPEAR: a successor that dies may have put its pid into the pid file, also if it has not said ready yet.
    failed = Transition(_S.SERVING, (_A.REAPPEAR, _A.REPORT_FAILURE, _A.START_IF_REMEMBERED))
    return {
        (state, _E.INT): Transition(_S.DRAINING, (_A.STOP_SUCCESSOR, _A.DRAIN), _AGAIN),
        (state, _E.USR1): stay(state, _A.REOPEN_LOGS),
        (state, _E.TTIN): stay(state, _A.MORE_WORKERS),
        (state, _E.TTOU): stay(state, _A.FEWER_WORKERS),
        (state, _E.TSTP): stay(state, _A.SUSPEND),
        (state, _E.FAILED): failed,
        (state, _E.TERMINATED): failed,
    }


def _while_lame(state: State) -> dict[tuple[State, Event], Transition]:
    """It serves, and load balancers are told that it does not; what HUP, USR2 and TERM mean stands in the table."""
    return {
        (state, _E.INT): Transition(_S.DRAINING, (_A.DRAIN,), _AGAIN),
        (state, _E.HANG_UP): Transition(_S.DRAINING, (_A.DRAIN,), "the terminal was closed: the server stops"),
        (state, _E.STARTER_GONE): Transition(_S.DRAINING, (_A.DRAIN,), "the starter has ended: the server stops"),
        (state, _E.QUIT): Transition(_S.GONE, (_A.HAMMER,), "SIGQUIT: stopping at once"),
        (state, _E.SUPERSEDED): _TO_YOUNGER,
        (state, _E.USR1): stay(state, _A.REOPEN_LOGS),
        (state, _E.TTIN): stay(state, _A.MORE_WORKERS),
        (state, _E.TTOU): stay(state, _A.FEWER_WORKERS),
        (state, _E.TSTP): stay(state, _A.SUSPEND),
        (state, _E.URG): stay(state, _A.IGNORE, says="SIGURG: this server is a lame duck already"),
        # What a successor says that was told to stop comes too late; the rest does not concern a process that serves.
        **{
            (state, event): stay(state, _A.IGNORE)
            for event in (
                _E.BOOTED,
                _E.READY,
                _E.FAILED,
                _E.TERMINATED,
                _E.OVERDUE,
                _E.LOST,
                _E.DEADLINE,
                _E.EMPTY,
            )
        },
    }


def _while_it_boots(state: State) -> dict[tuple[State, Event], Transition]:
    """A successor boots; what SIGTERM, SIGQUIT and READY mean stands in the table."""
    after_usr2 = _S.UPGRADING if state is _S.RESTARTING else state
    return {
        **_while_serving_on(state),
        (state, _E.HUP): stay(
            state, _A.REMEMBER, says="SIGHUP while a successor boots: one more restart follows this one"
        ),
        (state, _E.USR2): Transition(
            after_usr2,
            (_A.REMEMBER_UPGRADE,),
            "SIGUSR2 while a successor boots: one more restart follows this one",
        ),
    }


def _while_both_serve(state: State) -> dict[tuple[State, Event], Transition]:
    """A successor is ready; what SIGQUIT means stands in the table."""
    # After SIGUSR2 no way back: its sender ends the old process himself, when he trusts the new one.
    retire = _A.RETIRE_OR_PARK if state is _S.HANDING_OVER else _A.RETIRE
    return {
        **_while_serving_on(state),
        (state, _E.HUP): stay(state, _A.REMEMBER, says="SIGHUP during the swap: it goes to the successor"),
        (state, _E.USR2): stay(state, _A.REMEMBER, says="SIGUSR2 during the swap: it goes to the successor"),
        (state, _E.TERM): Transition(_S.RETIRING, (retire, _A.PASS_ON_IF_REMEMBERED)),
        (state, _E.OVERDUE): Transition(
            _S.RETIRING,
            (retire, _A.PASS_ON_IF_REMEMBERED),
            "the successor is ready and lives, but its SIGTERM did not come: retiring all the same",
        ),
    }


TRANSITIONS: dict[tuple[State, Event], Transition] = {
    # BOOTING: signals wait in the queue, because there is no server yet that could be restarted or drained.
    **{(_S.BOOTING, event): stay(_S.BOOTING, _A.DEFER) for event in SIGNALS},
    (_S.BOOTING, _E.BOOTED): Transition(_S.SERVING, ()),
    # An orphan looks for later attempts while it boots; once it serves it looks again, and retires to one.
    (_S.BOOTING, _E.SUPERSEDED): Transition(_S.GONE, (), "ends without having served, for its predecessor is gone"),
    # SERVING
    (_S.SERVING, _E.HUP): Transition(_S.RESTARTING, (_A.START_SUCCESSOR,)),
    (_S.SERVING, _E.USR2): Transition(_S.UPGRADING, (_A.START_SUCCESSOR,)),
    (_S.SERVING, _E.TERM): Transition(_S.DRAINING, (_A.DRAIN,)),
    (_S.SERVING, _E.INT): Transition(_S.DRAINING, (_A.DRAIN,), _AGAIN),
    (_S.SERVING, _E.QUIT): Transition(_S.GONE, (_A.HAMMER,), "SIGQUIT: stopping at once"),
    (_S.SERVING, _E.SUPERSEDED): _TO_YOUNGER,
    (_S.SERVING, _E.USR1): stay(_S.SERVING, _A.REOPEN_LOGS),
    (_S.SERVING, _E.TTIN): stay(_S.SERVING, _A.MORE_WORKERS),
    (_S.SERVING, _E.TTOU): stay(_S.SERVING, _A.FEWER_WORKERS),
    (_S.SERVING, _E.TSTP): stay(_S.SERVING, _A.SUSPEND),
    (_S.SERVING, _E.URG): Transition(_S.LAME_DUCK, (_A.BEGIN_LAME_DUCK,)),
    (_S.SERVING, _E.TERM_SOFTLY): Transition(_S.STOPPING, (_A.BOW_OUT,)),
    # LAME_DUCK: an operator wants no new clients here. A restart is the way back: the successor is none.
    **{key: step for state in LAME for key, step in _while_lame(state).items()},
    (_S.LAME_DUCK, _E.HUP): Transition(_S.RESTARTING, (_A.START_SUCCESSOR,)),
    (_S.LAME_DUCK, _E.USR2): Transition(_S.UPGRADING, (_A.START_SUCCESSOR,)),
    (_S.LAME_DUCK, _E.TERM): Transition(_S.DRAINING, (_A.DRAIN,)),
    (_S.LAME_DUCK, _E.TERM_SOFTLY): Transition(_S.STOPPING, (_A.BOW_OUT,)),
    (_S.LAME_DUCK, _E.LAME_DUCK_OVER): stay(_S.LAME_DUCK, _A.IGNORE),
    # STOPPING: no way back.
    **{
        (_S.STOPPING, event): stay(
            _S.STOPPING, _A.IGNORE, says=f"{event.value}: ignored, this server was told to stop; start it anew"
        )
        for event in (_E.HUP, _E.USR2)
    },
    **{
        (_S.STOPPING, event): Transition(_S.DRAINING, (_A.DRAIN,), "SIGTERM once more: not a lame duck any longer")
        for event in (_E.TERM, _E.TERM_SOFTLY)
    },
    (_S.STOPPING, _E.LAME_DUCK_OVER): Transition(_S.DRAINING, (_A.DRAIN,)),
    # RESTARTING: a successor boots. A SIGTERM that comes when a ready message is in the pipe is acted on after READY,
    # because the server reads the pipe before it acts on any signal.
    **{key: step for state in BOOTS for key, step in _while_it_boots(state).items()},
    (_S.RESTARTING, _E.TERM): Transition(_S.DRAINING, (_A.STOP_SUCCESSOR, _A.DRAIN)),
    (_S.RESTARTING, _E.TERM_SOFTLY): Transition(_S.STOPPING, (_A.STOP_SUCCESSOR, _A.BOW_OUT)),
    (_S.RESTARTING, _E.QUIT): Transition(
        _S.GONE, (_A.KILL_SUCCESSOR, _A.HAMMER), "SIGQUIT: stopping at once, the booting successor too"
    ),
    (_S.RESTARTING, _E.READY): Transition(_S.HANDING_OVER, (_A.ANNOUNCE_SUCCESSOR,)),
    # UPGRADING, YIELDING: the same after SIGUSR2. Who sends it, sends SIGTERM or SIGQUIT some seconds later to the old
    # process, ready or not: that must not end both. If the successor fails, this generation serves on, told or not.
    **{
        (_S.UPGRADING, event): Transition(
            _S.YIELDING,
            (_A.IGNORE,),
            f"{event.value} while the successor that SIGUSR2 has started boots: retiring when it is ready, "
            "serving on if it fails",
        )
        for event in (_E.TERM, _E.QUIT)
    },
    **{
        (_S.YIELDING, event): stay(
            _S.YIELDING, _A.IGNORE, says=f"{event.value}: retiring as soon as the successor is ready"
        )
        for event in (_E.TERM, _E.QUIT)
    },
    (_S.UPGRADING, _E.READY): Transition(_S.UPGRADED, (_A.ANNOUNCE_SUCCESSOR,)),
    (_S.YIELDING, _E.READY): Transition(_S.UPGRADED, (_A.ANNOUNCE_SUCCESSOR,)),
    # Both were told to stop, as systemd tells all processes of a unit.
    (_S.YIELDING, _E.TERMINATED): Transition(_S.DRAINING, (_A.STOP_SUCCESSOR, _A.DRAIN)),
    # HANDING_OVER: both serve, the successor and this process; the successor's SIGTERM is on its way.
    **{key: step for state in SWAPS for key, step in _while_both_serve(state).items()},
    (_S.HANDING_OVER, _E.QUIT): Transition(
        _S.GONE, (_A.KILL_SUCCESSOR, _A.HAMMER), "SIGQUIT: stopping at once, the successor too"
    ),
    # UPGRADED: the same after SIGUSR2; a SIGQUIT is for this process alone, as in UPGRADING.
    (_S.UPGRADED, _E.QUIT): Transition(_S.RETIRING, (_A.RETIRE, _A.PASS_ON_IF_REMEMBERED)),
    # RETIRING, HURRYING, PARKED, DRAINING, and the ways back
    **LEAVING,
    # STARTER_GONE: a new server must be able to bind at once, so the listeners go now; what runs is finished.
    **{
        (state, _E.STARTER_GONE): Transition(_S.DRAINING, actions, "the starter has ended: the server stops")
        for state, actions in (
            (_S.SERVING, (_A.DRAIN,)),
            *((state, (_A.STOP_SUCCESSOR, _A.DRAIN)) for state in (*BOOTS, *SWAPS)),
            *((state, (_A.DRAIN,)) for state in (*RETIRES, _S.PARKED)),
        )
    },
    (_S.DRAINING, _E.STARTER_GONE): stay(_S.DRAINING, _A.IGNORE),
    # HANG_UP: as Ctrl-C. It comes once, but the starter may have acted on it before.
    **{
        (state, _E.HANG_UP): Transition(_S.DRAINING, actions, "the terminal was closed: the server stops")
        for state, actions in (
            (_S.SERVING, (_A.DRAIN,)),
            *((state, (_A.STOP_SUCCESSOR, _A.DRAIN)) for state in (*BOOTS, *SWAPS)),
        )
    },
    (_S.DRAINING, _E.HANG_UP): stay(_S.DRAINING, _A.IGNORE),
    # What a successor says that was told to stop, or for which this process does not wait any more, comes too late.
    **{
        (state, event): stay(state, _A.IGNORE)
        for state in (*RETIRES, _S.PARKED, _S.DRAINING)
        for event in (_E.READY, _E.FAILED, _E.TERMINATED, _E.OVERDUE)
    },
    (_S.DRAINING, _E.LOST): stay(_S.DRAINING, _A.IGNORE),
    # News that does not concern the state: it comes late, or from a timer that was not cancelled in time.
    **{(state, _E.OVERDUE): stay(state, _A.IGNORE) for state in BOOTS},
    **{(state, _E.READY): stay(state, _A.IGNORE) for state in SWAPS},
    **{
        (state, _E.BOOTED): stay(state, _A.IGNORE)
        for state in (_S.SERVING, *BOOTS, *SWAPS, *RETIRES, _S.PARKED, _S.DRAINING)
    },
    **{(_S.BOOTING, event): stay(_S.BOOTING, _A.IGNORE) for event in NEWS if event not in (_E.BOOTED, _E.SUPERSEDED)},
    **{
        (_S.SERVING, event): stay(_S.SERVING, _A.IGNORE)
        for event in NEWS
        if event not in (_E.BOOTED, _E.SUPERSEDED, _E.TAKEN_BACK, _E.STARTER_GONE, _E.HANG_UP, _E.TERM_SOFTLY)
    },
    **{(state, _E.SUPERSEDED): stay(state, _A.IGNORE) for state in (*BOOTS, *SWAPS, *RETIRES, _S.PARKED, _S.DRAINING)},
    **{
        (state, event): stay(state, _A.IGNORE)
        for state in (*BOOTS, *SWAPS)
        for event in (_E.LOST, _E.DEADLINE, _E.EMPTY)
    },
    **{
        (state, _E.URG): stay(state, _A.IGNORE, says="SIGURG during a restart: ignored, ask again when that is through")
        for state in (*BOOTS, *SWAPS)
    },
    **{
        (state, _E.URG): stay(state, _A.IGNORE, says="SIGURG while leaving: ignored")
        for state in (*RETIRES, _S.PARKED, _S.DRAINING)
    },
    # The server asks for it only where SIGTERM stops it.
    **{
        (state, _E.TERM_SOFTLY): stay(state, _A.IGNORE)
        for state in (_S.UPGRADING, _S.YIELDING, *SWAPS, *RETIRES, _S.PARKED, _S.DRAINING)
    },
    **{
        (state, _E.LAME_DUCK_OVER): stay(state, _A.IGNORE)
        for state in (*BOOTS, *SWAPS, *RETIRES, _S.PARKED, _S.DRAINING)
    },
    # GONE: too late for everything.
    **{(_S.GONE, event): stay(_S.GONE, _A.IGNORE) for event in _E},
}


def transition(state: State, event: Event) -> Transition:
    """Return what `event` does in `state`; every pair is in the table."""
    return TRANSITIONS[state, event]
