"""How far the predecessor is with handing over to the new generation. Pure: it is told what is on the scoreboard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hotswap.scoreboard import SlotView


class Left(NamedTuple):
    """What the predecessor's processes have sent to the new generation, and what they still have.

    `is_over`: that is nothing, and they accept no more.
    """

    moved: int
    connections: int
    requests: int
    is_over: bool


class HandOver:
    """The processes of a server that were there before the restart, and what becomes of what they have.

    `is_unsure`: one of them has ended since, and had connections when it was seen last. Whether those have moved shows
    when the new generation has written its counters again.
    """

    def __init__(self, before: Iterable[SlotView]) -> None:
        """`before`: the slots at the moment at which the restart was asked for.

        One that retires by then is left out: it finishes what an earlier restart has left.
        """
        self._seen = {view.pid: view for view in before if not view.retires}
        self._sent_before = sum(map(_sent, self._seen.values()))
        self.is_unsure = False

    def look(self, views: Sequence[SlotView], successor: int) -> Left:
        """Return what is left, now that these are the slots, and `successor` is the generation that serves."""
        old = {view.pid: view for view in views if view.generation < successor and view.pid in self._seen}
        self.is_unsure = any(view.connections for pid, view in self._seen.items() if pid not in old)
        self._seen.update(old)
        connections = sum(view.connections for view in old.values())
        requests = sum(view.in_flight for view in old.values())
        leaves = all(view.is_replaced or view.drains for view in old.values())
        is_over = leaves and not connections and not requests
        return Left(self._moved(views, successor), connections, requests, is_over)

    def _moved(self, views: Sequence[SlotView], successor: int) -> int:
        """What one side has sent and the other has got is the same, as soon as both have written it down."""
        sent = sum(map(_sent, self._seen.values())) - self._sent_before
        got = -sum(_sent(view) for view in views if view.generation == successor)
        return max(0, sent, got)


def _sent(view: SlotView) -> int:
    """How many connections a process has sent away; less those it has got, as workers send some to each other."""
    return view.handed_over - view.adopted
