"""The other server processes on our scoreboard: who of them serves, and who of them should instead of us."""

from __future__ import annotations

import os
import signal

from hotswap.system.processes import signal_process
from hotswap.system.scoreboard import RECEIVING, Scoreboard, Slot, SlotView


def serving(board: Scoreboard) -> list[SlotView]:
    """The other server processes that serve now."""
    return [
        view
        for view in board.slots()
        if view.role == "server" and view.state in RECEIVING and view.pid != os.getpid()
    ]


def younger(board: Scoreboard, slot: Slot) -> SlotView | None:
    """A later generation than `slot`'s that serves: its predecessor, our successor, died while it booted."""
    found = [view for view in serving(board) if (view.generation, view.started) > (slot.generation, slot.started)]
    return max(found, key=lambda view: (view.generation, view.started), default=None)


def pass_on(board: Scoreboard, number: signal.Signals) -> SlotView | None:
    """Send `number` to whoever serves now, which may not be our own child; who that was, None if nobody serves."""
    for view in serving(board):
        if signal_process(view.pid, number, board.alive):
            return view
    return None
