"""What a server's processes have done, in sums that outlive them: one tally beside each slot.

A tally never goes back. The process that owns the slot counts on from what the owners before it have left there. So the
sum over all slots is what the server has done since its first generation began, whichever processes live and in
whatever way the others ended; one that was killed takes with it what it had not written down yet. Every word has one
writer, so there is no lock, and no moment at which something counts twice or not at all.

Beside the first sums stands what they were when the first process of this generation took the slot: that is how much
of them is this generation's. What it has done in slots that processes of another generation took later is forgotten.
"""

from __future__ import annotations

import struct
from typing import Final

from hotswap.scoreboard import layout
from hotswap.scoreboard.layout import Buffer, Memory

#: These are known for each generation too. Answers are told apart by their status: 1xx and 2xx, 3xx, 4xx, 5xx that are
#: an error of the application's, and 501 and 503, which need not be. `unanswered` requests have no whole answer.
OF_GENERATION: Final = (
    "requests",
    "succeeded",
    "redirected",
    "client_errors",
    "server_errors",
    "unavailable",
    "unanswered",
)
#: `health`: answers of the engine's own, at the health path; they are among none of the others. `abandoned`: requests
#: that were not carried out, because their client had gone. `restart_us`: microseconds that successful restarts took.
#: `unclassified`: answers of workers of gunicorn's classes, whose statuses are not known.
SUMS: Final = (
    *OF_GENERATION,
    "health",
    "abandoned",
    "refused",
    "cut",
    "accepted",
    "adopted",
    "handed_over",
    "worker_deaths",
    "restarts_ok",
    "restarts_failed",
    "restart_us",
    "unclassified",
)

# generation and attempt, nothing (for a later release), sums, what the first of them were
_SUMS_AT: Final = 16
_ROOM: Final = 23
_BEFORE_AT: Final = _SUMS_AT + 8 * _ROOM
_AT: Final = {name: _SUMS_AT + 8 * place for place, name in enumerate(SUMS)}
_BEFORE: Final = {name: _BEFORE_AT + 8 * place for place, name in enumerate(OF_GENERATION)}
_OWNER: Final = struct.Struct("<II")
_WORDS: Final = struct.Struct(f"<{layout.TALLY_SIZE // 8}q")


class Tally:
    """The tally of a slot that this process owns. For the main thread; sums are whole numbers and never go back."""

    __slots__ = ("_at", "_before", "_buffer")

    def __init__(self, buffer: Buffer, index: int, generation: int, attempt: int) -> None:
        """Count on from what is there, for a process of `generation` that restart attempt `attempt` has started.

        Writes to nowhere on the file of a release that knows no tallies, if that could not be made longer.
        """
        self._buffer, self._at = buffer, layout.tally_at(index)
        if len(buffer) < layout.TALLIES_END:
            self._buffer, self._at = bytearray(layout.TALLY_SIZE), 0
        self._before = {name: self._word(at) for name, at in _AT.items()}
        owner = _OWNER.pack(generation & 0xFFFFFFFF, attempt & 0xFFFFFFFF)
        if self._buffer[self._at : self._at + _OWNER.size] != owner:
            # In this order: between the two, the sums before are no generation's.
            _OWNER.pack_into(self._buffer, self._at, 0, 0)
            for name, at in _BEFORE.items():
                layout.WORD.pack_into(self._buffer, self._at + at, self._before[name])
            self._buffer[self._at : self._at + _OWNER.size] = owner

    def _word(self, at: int) -> int:
        return int(layout.WORD.unpack_from(self._buffer, self._at + at)[0])

    def set(self, **figures: int) -> None:
        """Write down how much this process has done by now, by the names in `SUMS` (KeyError for any other)."""
        for name, value in figures.items():
            layout.WORD.pack_into(self._buffer, self._at + _AT[name], self._before[name] + value)

    def add(self, **figures: int) -> None:
        """Count some more of what is not `set`."""
        for name, value in figures.items():
            layout.WORD.pack_into(self._buffer, self._at + _AT[name], self._word(_AT[name]) + value)


def totals(memory: Memory) -> dict[str, int]:
    """Return what all processes of the server have done since it began, by the names in `SUMS`."""
    raw = memory.peek(layout.TALLIES_AT, layout.TALLIES_END - layout.TALLIES_AT)
    sums = [sum(column) for column in zip(*_WORDS.iter_unpack(raw), strict=True)]
    return {name: sums[at // 8] for name, at in _AT.items()}


def of_generation(memory: Memory, generation: int, attempt: int) -> dict[str, int]:
    """Return what the processes of one generation have done, by the names in `OF_GENERATION`.

    `attempt`: the restart attempt that started it, because one that failed had the same number.
    """
    raw = memory.peek(layout.TALLIES_AT, layout.TALLIES_END - layout.TALLIES_AT)
    done = dict.fromkeys(OF_GENERATION, 0)
    for index in range(layout.SLOT_COUNT):
        at = index * layout.TALLY_SIZE
        if _OWNER.unpack_from(raw, at) != (generation & 0xFFFFFFFF, attempt & 0xFFFFFFFF):
            continue
        for name, before in _BEFORE.items():
            now, then = (layout.WORD.unpack_from(raw, at + place)[0] for place in (_AT[name], before))
            done[name] += now - then
    return done
