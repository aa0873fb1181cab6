"""What the rows of `transitions.py` are made of: their right side, and the states that belong together."""

from __future__ import annotations

from typing import NamedTuple

from hotswap.lifecycle.states import Action, Event, State


class Transition(NamedTuple):
    """What one event does in one state: the next state, the actions in order, and what the log says (may be empty)."""

    next: State
    actions: tuple[Action, ...]
    says: str = ""


def stay(state: State, *actions: Action, says: str = "") -> Transition:
    """Return the right side of a row after which the state is the same."""
    return Transition(state, actions, says)


SIGNALS = (
    Event.HUP,
    Event.USR2,
    Event.TERM,
    Event.INT,
    Event.QUIT,
    Event.USR1,
    Event.TTIN,
    Event.TTOU,
    Event.TSTP,
    Event.URG,
)
NEWS = tuple(event for event in Event if event not in SIGNALS)
#: A successor boots; it has said that it is ready.
BOOTS = (State.RESTARTING, State.UPGRADING, State.YIELDING)
SWAPS = (State.HANDING_OVER, State.UPGRADED)
#: Serves on, while load balancers look for another.
LAME = (State.LAME_DUCK, State.STOPPING)
#: Another process serves.
RETIRES = (State.RETIRING, State.HURRYING)
