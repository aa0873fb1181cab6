"""Which other server processes serve, on this server's scoreboard or another's, and which should serve instead of this
one."""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple

from hotswap.errors import NoSuchServer
from hotswap.scoreboard import Scoreboard, Slot, SlotView

#: How an attempt ends when the server is stopped meanwhile.
TOLD_TO_STOP = "the server was told to stop"


def serving(board: Scoreboard) -> list[SlotView]:
    """Return the other server processes that serve now, the youngest generation first; never this process itself.

    Where several do, not one that was taken back: it is about to see that it is to go.
    """
    views = [view for view in board.slots() if view.serves and view.pid != os.getpid()]
    if len(views) > 1:
        views = _not_taken_back(board, views)
    return sorted(views, key=lambda view: view.generation, reverse=True)


def _not_taken_back(board: Scoreboard, views: list[SlotView]) -> list[SlotView]:
    if not views:
        return views
    failed = {attempt.number for attempt in board.attempts() if attempt.outcome == "failed"}
    return [view for view in views if view.attempt not in failed]


def younger(board: Scoreboard, slot: Slot) -> SlotView | None:
    """Return the serving process that began later than `slot`'s, the latest of several; None if there is none.

    Attempts begin in the order of their numbers, whichever process begins them. Where one of two processes has no
    number, both compare generations instead, as a release that knows no numbers does: if they decided differently, both
    would stay, or both would leave. One that was taken back does not count.
    """
    found = _not_taken_back(board, [view for view in serving(board) if _began_later(view, slot)])
    return max(found, key=lambda view: (view.attempt, view.generation, view.started), default=None)


def _began_later(view: SlotView, slot: Slot) -> bool:
    numbers = (view.attempt, slot.attempt) if view.attempt and slot.attempt else (0, 0)
    return (numbers[0], view.generation, view.started) > (numbers[1], slot.generation, slot.started)


def overtaken(board: Scoreboard, slot: Slot) -> str:
    """Return why an orphan need not serve any more, in words; "" if it should serve.

    It need not if a process that began later serves, or boots while its parent serves: should that one fail, its parent
    serves on and says why. If its parent is gone too, it is another orphan: then both carry on, or none might be left.
    Nor need it if its own attempt was ended: the process that began it is gone, so the server was stopped meanwhile.
    """
    attempts = board.attempts()
    if any(attempt.number == slot.attempt and attempt.outcome for attempt in attempts):
        return TOLD_TO_STOP
    if (view := younger(board, slot)) is not None:
        return f"{view.named} serves, whose start began later"
    parents = {view.recorded_pid for view in serving(board)}
    for attempt in attempts:
        # An attempt without a pid has hardly begun, or was entered only to record a lost successor.
        under_way = attempt.pid and not attempt.outcome and attempt.by in parents
        if under_way and 0 < slot.attempt < attempt.number:
            return f"generation {attempt.generation} (pid {attempt.pid}) boots, whose start began later"
    return ""


class LeftToDo(NamedTuple):
    """How many requests run in a server's processes, and how many connections they have."""

    requests: int
    connections: int


def left_to_do(board: Scoreboard) -> LeftToDo:
    """Return what all processes of the server have to do, as far as each has written that down (within a second)."""
    views = board.slots()
    return LeftToDo(sum(view.in_flight for view in views), sum(view.connections for view in views))


def served_by(pid: int) -> str:
    """Return the name of the server that process `pid` serves; "" if it serves none, or is another user's process."""
    with contextlib.suppress(NoSuchServer), contextlib.closing(Scoreboard.of_pid(pid)) as board:
        if any(view.pid == pid for view in serving(board)):
            return board.name
    return ""
