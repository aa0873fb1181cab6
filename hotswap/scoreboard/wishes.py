"""What commands ask of a server beside their signals: a word for each wish, on the board's first page.

A word holds the number of the restart attempt that it is about, and says nothing of any other. So no process has to
take a wish back: whichever is killed, before or after the wish was granted, no later restart is touched by it.
"""

from __future__ import annotations

import mmap
import os
from typing import Final

from hotswap.scoreboard import layout
from hotswap.scoreboard.layout import Buffer, Memory

_PROBATION_AT: Final = 112
_ROLLBACK_AT: Final = 120
_MOST_MS: Final = 2**31 - 1


def wish_probation(buffer: Buffer, number: int, seconds: float) -> None:
    """Ask for so many seconds of probation (at most 24 days) in attempt `number`, which has not begun."""
    layout.WORD.pack_into(buffer, _PROBATION_AT, number << 32 | min(round(seconds * 1000), _MOST_MS))


def wished_probation(memory: Memory, number: int) -> float | None:
    """Return the seconds that were asked for in attempt `number`; None if its settings decide."""
    word = layout.word(memory, _PROBATION_AT)
    return (word & 0xFFFFFFFF) / 1000 if word >> 32 == number else None


def ask_rollback(buffer: Buffer, number: int) -> None:
    """Ask that the successor of attempt `number`, which is on probation, is taken back."""
    layout.WORD.pack_into(buffer, _ROLLBACK_AT, number)


def rollback_asked(memory: Memory, number: int) -> bool:
    """Return whether that was asked."""
    return layout.word(memory, _ROLLBACK_AT) == number


class WritablePage:
    """The first page of a board that a command has open for reading. A context manager; raises OSError (EACCES).

    Not for a process that has a slot on the board: closing the descriptor would give the slot up.
    """

    def __init__(self, fd: int) -> None:
        writable = os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_CLOEXEC)
        try:
            self._page = mmap.mmap(writable, layout.SLOTS_AT)
        finally:
            os.close(writable)

    def __enter__(self) -> mmap.mmap:
        return self._page

    def __exit__(self, *_: object) -> None:
        self._page.close()
