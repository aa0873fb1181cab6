"""Other processes on a scoreboard, for tests."""

from __future__ import annotations

from hotswap.scoreboard import Scoreboard
from tests.system.other_process import OtherProcess

IMPORT = "import os; from hotswap.scoreboard import Scoreboard, ScoreboardError, list_servers"


def successor(board: Scoreboard, state: str = "serving", generation: int = 2) -> OtherProcess:
    """Another process on the board, in `state`."""
    process = OtherProcess(board.fileno())
    process.do(f"{IMPORT}; board = Scoreboard.from_fd({board.fileno()})")
    process.do(f"slot = board.take_slot({generation}, 'server')")
    if state:
        process.do(f"slot.set_state({state!r})")
    return process
