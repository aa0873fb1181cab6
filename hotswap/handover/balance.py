"""How connections are balanced: which worker takes the next ones from the exchange, and which gives some away."""

from __future__ import annotations

from hotswap.scoreboard import Scoreboard, Slot, SlotView

#: A worker that has this many times as many connections as the one with the fewest, and a few more, gives some away.
CROWDED, A_FEW = 1.5, 2


class FairShare:
    """Compares this worker with all that receive, as the scoreboard shows them now. `threads` is how many each has."""

    def __init__(self, board: Scoreboard, slot: Slot, threads: int) -> None:
        self._board = board
        self._slot = slot
        self._threads = threads
        #: all threads are in calls, at two looks in a row: what comes here waits, while another worker may be free
        self.stuck = False
        self._was_busy = False

    def allows(self, connections: int) -> bool:
        """Whether this worker, which has so many, should take more; any thread may ask.

        One worker always may: not all can be above the average.
        """
        self._slot.update(connections=connections)
        others = [view.connections for view in self._free(self._board.receivers())]
        return connections * (len(others) + 1) <= connections + sum(others)

    def excess(self, connections: int, in_flight: int) -> int:
        """How many connections other workers should have instead; asked now and then, on the main thread."""
        others = self._free(self._board.receivers())
        busy = in_flight >= self._threads
        self.stuck = busy and self._was_busy and bool(others)
        self._was_busy = busy
        if not others:
            return 0
        if self.stuck:
            return connections
        fewest = min(view.connections for view in others)
        if connections <= CROWDED * fewest + A_FEW:
            return 0
        average = (connections + sum(view.connections for view in others)) // (len(others) + 1)
        return connections - average

    def _free(self, others: list[SlotView]) -> list[SlotView]:
        """Those that can serve at once; the others take and get nothing."""
        return [view for view in others if view.in_flight < self._threads]
