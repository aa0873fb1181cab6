"""The processes on a board that linger: they have retired or stopped, and have not ended.

One holds the second byte of its slot instead of the first, so that the functions that look for a server's processes
pass it over. A process that finds no free slot takes the slot of one that lingers, by its first byte.
"""

from __future__ import annotations

from collections.abc import Iterator

from hotswap.scoreboard import layout, locks, slots
from hotswap.scoreboard.layout import Memory
from hotswap.scoreboard.slots import LINGERING, SlotView


def others(fd: int, memory: Memory) -> Iterator[SlotView]:
    """Yield all but this process, in no order; none where the board is closed."""
    if fd < 0:
        return
    for lock in locks.holders(fd, layout.SLOTS_AT, layout.SLOTS_END):
        for index in locks.slots_of(lock, byte=1):
            if found := view(memory, index, lock.pid):
                yield found


def view(memory: Memory, index: int, pid: int) -> SlotView | None:
    """Return process `pid`, which holds the second byte of that slot; None if another process has taken the slot."""
    found = slots.view(memory, index, pid)
    ours = found is not None and found.state == LINGERING and locks.same_process(pid, found.recorded_pid)
    return found if ours else None
