"""Other processes on a scoreboard, for tests."""

from __future__ import annotations

from hotswap.system.scoreboard import Scoreboard
from tests.system.puppet import Puppet

IMPORT = "import os; from hotswap.system.scoreboard import Scoreboard, ScoreboardError, list_servers"


def successor(board: Scoreboard, state: str = "serving", generation: int = 2) -> Puppet:
    """Another process on the board, in `state`."""
    puppet = Puppet(board.fileno())
    puppet.do(f"{IMPORT}; board = Scoreboard.from_fd({board.fileno()})")
    puppet.do(f"slot = board.take_slot({generation}, 'server')")
    if state:
        puppet.do(f"slot.set_state({state!r})")
    return puppet
