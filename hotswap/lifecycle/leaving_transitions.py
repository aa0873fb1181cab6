"""The rows of the table (`transitions.py`) for a process that leaves, and for the ways back.

It retires to one that serves, is parked until that has proved itself, or drains, because the server stops.
"""

from __future__ import annotations

from hotswap.lifecycle.states import Action, Event, State
from hotswap.lifecycle.transition_rows import BOOTS, LAME, RETIRES, SWAPS, Transition, stay

_S, _E, _A = State, Event, Action


def _while_another_serves(state: State) -> dict[tuple[State, Event], Transition]:
    """Retiring, or parked; what the other signals and events mean stands in the table. SIGQUIT ends by force what still
    runs."""
    while_ = f"while {state.shown}"
    return {
        (state, _E.HUP): stay(state, _A.PASS_ON),
        (state, _E.USR2): stay(state, _A.PASS_ON),
        (state, _E.QUIT): Transition(_S.GONE, (_A.HAMMER,), f"SIGQUIT {while_}: ending what still runs"),
        (state, _E.USR1): stay(state, _A.REOPEN_LOGS),
        (state, _E.TTIN): stay(state, _A.IGNORE, says=f"SIGTTIN {while_}: ignored, another serves"),
        (state, _E.TTOU): stay(state, _A.IGNORE, says=f"SIGTTOU {while_}: ignored, another serves"),
        (state, _E.TSTP): stay(state, _A.SUSPEND),
    }


LEAVING: dict[tuple[State, Event], Transition] = {
    # RETIRING, HURRYING: another process serves. Ctrl-C reaches that one, too, and must not cut what runs here.
    **{key: step for state in (*RETIRES, _S.PARKED) for key, step in _while_another_serves(state).items()},
    **{
        (state, _E.INT): Transition(
            _S.HURRYING,
            (_A.HURRY,),
            f"SIGINT while {state.shown}: finishing what runs within graceful_timeout; Ctrl-C again to cut requests",
        )
        for state in (_S.RETIRING, _S.PARKED)
    },
    **{
        (state, _E.HANG_UP): Transition(_S.HURRYING, (_A.HURRY,), "the terminal was closed: the server stops")
        for state in (_S.RETIRING, _S.PARKED)
    },
    **{
        (state, _E.TERM): stay(state, _A.PASS_ON_STOP, says="SIGTERM while retiring: already leaving")
        for state in RETIRES
    },
    **{(state, _E.EMPTY): Transition(_S.GONE, ()) for state in RETIRES},
    (_S.HURRYING, _E.INT): Transition(_S.GONE, (_A.HAMMER,), "SIGINT once more: ending what still runs"),
    (_S.HURRYING, _E.HANG_UP): stay(_S.HURRYING, _A.IGNORE),
    (_S.RETIRING, _E.LOST): Transition(
        _S.SERVING, (_A.TAKE_BACK, _A.REAPPEAR, _A.REPORT_FAILURE, _A.START_IF_REMEMBERED)
    ),
    (_S.HURRYING, _E.LOST): Transition(_S.DRAINING, (_A.DRAIN,), "the successor is lost, and the server stops"),
    (_S.RETIRING, _E.DEADLINE): Transition(_S.GONE, (_A.HAMMER,), "retire_timeout is over: ending what still runs"),
    # PARKED: as RETIRING, but with nothing to do and no deadline, and the way back stays open until the successor is
    # proven. An operator who stops this process means the server, as there is no other reason to.
    (_S.RETIRING, _E.PROBATION): Transition(_S.PARKED, (_A.IGNORE,)),
    (_S.PARKED, _E.PROVEN): Transition(_S.RETIRING, (_A.END_PROBATION,)),
    (_S.PARKED, _E.LOST): Transition(
        _S.SERVING, (_A.TAKE_BACK, _A.REAPPEAR, _A.REPORT_FAILURE, _A.START_IF_REMEMBERED)
    ),
    # Not START_IF_REMEMBERED: a SIGHUP that came before would start the version again that was taken back.
    (_S.PARKED, _E.ROLLBACK): Transition(_S.SERVING, (_A.ROLL_BACK, _A.REAPPEAR, _A.REPORT_FAILURE)),
    (_S.PARKED, _E.TERM): Transition(_S.HURRYING, (_A.STOP_BOTH,), "SIGTERM while parked: the server stops"),
    # The other side of a rollback. With a successor of its own under way, that is the one that takes over.
    **{(state, _E.TAKEN_BACK): Transition(_S.RETIRING, (_A.RETIRE_TO_PREDECESSOR,)) for state in (_S.SERVING, *LAME)},
    **{(state, _E.TAKEN_BACK): stay(state, _A.IGNORE) for state in (*BOOTS, *SWAPS, *RETIRES, _S.PARKED, _S.DRAINING)},
    **{
        (state, _E.PROBATION): stay(state, _A.IGNORE)
        for state in (*LAME, *BOOTS, *SWAPS, _S.PARKED, _S.HURRYING, _S.DRAINING)
    },
    **{
        (state, event): stay(state, _A.IGNORE)
        for state in (*LAME, *BOOTS, *SWAPS, *RETIRES, _S.DRAINING)
        for event in (_E.PROVEN, _E.ROLLBACK)
    },
    **{(_S.PARKED, event): stay(_S.PARKED, _A.IGNORE) for event in (_E.DEADLINE, _E.EMPTY)},
    (_S.HURRYING, _E.DEADLINE): Transition(_S.GONE, (_A.HAMMER,), "graceful_timeout is over: ending what still runs"),
    # DRAINING: the server stops, no process serves afterwards.
    (_S.DRAINING, _E.HUP): stay(
        _S.DRAINING, _A.IGNORE, says="SIGHUP while draining: ignored, this server was told to stop; start it anew"
    ),
    (_S.DRAINING, _E.USR2): Transition(_S.GONE, (_A.HAMMER,), "SIGUSR2 while draining: ending what still runs"),
    (_S.DRAINING, _E.TERM): stay(_S.DRAINING, _A.IGNORE, says="SIGTERM while draining: already leaving"),
    (_S.DRAINING, _E.INT): Transition(_S.GONE, (_A.HAMMER,), "SIGINT while draining: ending what still runs"),
    (_S.DRAINING, _E.QUIT): Transition(_S.GONE, (_A.HAMMER,), "SIGQUIT while draining: ending what still runs"),
    (_S.DRAINING, _E.USR1): stay(_S.DRAINING, _A.REOPEN_LOGS),
    (_S.DRAINING, _E.TTIN): stay(_S.DRAINING, _A.IGNORE, says="SIGTTIN while draining: ignored"),
    (_S.DRAINING, _E.TTOU): stay(_S.DRAINING, _A.IGNORE, says="SIGTTOU while draining: ignored"),
    (_S.DRAINING, _E.TSTP): stay(_S.DRAINING, _A.SUSPEND),
    (_S.DRAINING, _E.DEADLINE): Transition(_S.GONE, (_A.HAMMER,), "graceful_timeout is over: ending what still runs"),
    (_S.DRAINING, _E.EMPTY): Transition(_S.GONE, ()),
}
