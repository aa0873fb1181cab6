"""A worker's fair share: who takes the next connections from the exchange."""

from __future__ import annotations

from hotswap.system.scoreboard import Scoreboard, Slot


class Share:
    """Compares this worker's connections with the average of all that receive, as the scoreboard shows it now."""

    def __init__(self, board: Scoreboard, slot: Slot) -> None:
        self._board = board
        self._slot = slot

    def allows(self, connections: int) -> bool:
        """Whether this worker, which has so many, should take more. Somebody always may: not all are above average."""
        self._slot.update(connections=connections)
        others = [view.connections for view in self._board.receivers()]
        return connections * (len(others) + 1) <= connections + sum(others)
