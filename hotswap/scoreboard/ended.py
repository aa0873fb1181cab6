"""The server processes on a board that have ended: what they wrote stays in their slots, until another process takes
those."""

from __future__ import annotations

from collections.abc import Container

from hotswap.scoreboard import layout, locks, slots
from hotswap.scoreboard.layout import Buffer, Memory
from hotswap.scoreboard.slots import SlotView


def take(fd: int, memory: Memory, buffer: Buffer, own: Container[int]) -> list[SlotView]:
    """Take them off the board and return them; of several processes that call this, one gets each.

    `own`: the slots that this process has, whose locks would be given to it once more.
    """
    found = []
    for index in range(layout.SLOT_COUNT):
        at = layout.slot_at(index)
        # Both bytes: the second one is of a process that lingers.
        if index in own or server_in(memory, index) is None or not locks.try_lock(fd, at, 2):
            continue
        view = server_in(memory, index)  # again: until now another process could take the slot
        if view is not None:
            slots.IDENTITY.clear(buffer, at)
            found.append(view)
        locks.unlock(fd, at, 2)
    return found


def server_in(memory: Memory, index: int) -> SlotView | None:
    """Return the server process that has written this slot last, living or not; its pid is `recorded_pid`."""
    view = slots.view(memory, index, 0)
    return view if view is not None and view.role == "server" else None
