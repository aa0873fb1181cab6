"""An orphan that is not needed any more ends before it serves: a start that began later has won."""

from __future__ import annotations

import os

from hotswap.lifecycle.states import Event, State
from hotswap.lifecycle.transitions import transition
from hotswap.scoreboard import Scoreboard, Slot, queries
from hotswap.serving.plan import Foundation, Plan
from hotswap.serving.process_state import name_threads_that_stay


class Overtaken(Exception):
    """This process need not serve any more, and has said so; it never leaves `Server.run`."""


def must_not_be_overtaken(plan: Plan, base: Foundation, board: Scoreboard, slot: Slot, *, server: object) -> None:
    """Raise Overtaken if the predecessor is gone, and a later attempt boots or serves, or the server was stopped.

    It is called before anything is bound, and again as late as can be: one that becomes ready after that is seen by the
    server's beat. `server` is what the callback at "stopped" gets.
    """
    predecessor = plan.process.predecessor
    if predecessor is None or predecessor.lives or not (why := queries.overtaken(board, slot)):
        return
    plan.process.let_go_of_predecessor()
    predecessor.close()
    base.log.warning("%s: generation %d %s", why, plan.generation, transition(State.BOOTING, Event.SUPERSEDED).says)
    text = f"{why}: this generation ended without having served"
    board.end_attempt(slot.attempt, False, os.getpid(), plan.generation, text)
    base.callbacks.be_lenient()
    base.callbacks.at("stopped", server, "retired")
    name_threads_that_stay(base.log)
    raise Overtaken(why)
