"""Restart attempts on the scoreboard: a ring of the last sixteen, and the text of the last failure.

`hotswap restart` watches the ring: the first attempt that began after its signal is its own, and says how it went.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from hotswap.scoreboard import layout
from hotswap.scoreboard.layout import Buffer, Memory, Twin
from hotswap.system.tail import utf8_tail

#: How the stage of an attempt begins whose successor has taken over, and may be taken back for a while.
ON_PROBATION: Final = "on probation"

_OUTCOMES: Final = ("", "ok", "failed")

# number, began, ended, successor's pid, its generation, pid that began it, outcome, stage
_RECORD: Final = struct.Struct("<QqqiIiB24s")
_ENTRY: Final = Twin(112)
_NUMBER: Final = struct.Struct("<Q")


class Attempt(NamedTuple):
    """One attempt to start a successor.

    `began_ns`, `ended_ns`: time.monotonic_ns(), which all processes of a machine share; `ended_ns` is 0 while it runs.
    `stage`: how far it is ("starting", then what the successor reports). `outcome`: "" while it runs, then "ok" or
    "failed". `pid`, `generation`: the successor's, 0 if there is none. `by`: the pid of the process that began it; if
    that process has ended, the attempt stays without an outcome, unless its successor enters one.
    """

    number: int
    began_ns: int
    ended_ns: int = 0
    stage: str = "starting"
    outcome: str = ""
    pid: int = 0
    generation: int = 0
    by: int = 0

    @property
    def took(self) -> float:
        """Seconds from begin to end; 0.0 while it runs."""
        return max(0, self.ended_ns - self.began_ns) / 1e9 if self.ended_ns else 0.0

    @property
    def was_on_probation(self) -> bool:
        """Whether its successor is on probation, or was: the stage stays when the attempt has ended."""
        return self.stage.startswith(ON_PROBATION)


def _at(number: int) -> int:
    return layout.ATTEMPTS_AT + number % layout.ATTEMPT_COUNT * layout.ATTEMPT_SIZE


def _write(buffer: Buffer, attempt: Attempt) -> None:
    record = _RECORD.pack(
        attempt.number,
        attempt.began_ns,
        attempt.ended_ns,
        attempt.pid,
        attempt.generation,
        attempt.by,
        _OUTCOMES.index(attempt.outcome),
        layout.encode(attempt.stage, 24),
    )
    _ENTRY.write(buffer, _at(attempt.number), record)


def _read(memory: Memory, number: int) -> Attempt | None:
    record = _ENTRY.read(memory, _at(number))
    if len(record) < _RECORD.size:
        return None
    found, began, ended, pid, generation, by, outcome, stage = _RECORD.unpack_from(record)
    if found != number or outcome >= len(_OUTCOMES):
        return None
    return Attempt(number, began, ended, layout.field(stage), _OUTCOMES[outcome], pid, generation, by)


def read_all(memory: Memory) -> list[Attempt]:
    """Return the attempts still in the ring, oldest first."""
    last = layout.attempt_counter(memory)
    numbers = range(max(1, last - layout.ATTEMPT_COUNT + 1), last + 1)
    return [attempt for number in numbers if (attempt := _read(memory, number))]


def begin(memory: Memory, buffer: Buffer, generation: int) -> int:
    """Enter a new attempt for successor `generation`, begun now by this process; return its number."""
    number = layout.attempt_counter(memory) + 1
    _write(buffer, Attempt(number, time.monotonic_ns(), generation=generation, by=os.getpid()))
    layout.set_attempt_counter(buffer, number)  # last, because the counter promises that the entry is there
    return number


def change(memory: Memory, buffer: Buffer, number: int, how: Callable[[Attempt], Attempt]) -> None:
    """Replace attempt `number` by what `how` returns for it; do nothing if it has left the ring."""
    if attempt := _read(memory, number):
        _write(buffer, how(attempt))


def end(
    memory: Memory, buffer: Buffer, number: int, *, ok: bool, pid: int, generation: int, text: str, at_ns: int
) -> None:
    """Enter how attempt `number` ended, and when (its stage stays: it says how far it came); keep a failure's text."""
    if not ok:  # before the outcome, because a reader that sees "failed" reads the text next
        if len(buffer) >= layout.FULL_SIZE:  # not made longer, the file of an older release has no place for it
            record = _NUMBER.pack(number) + utf8_tail(text, layout.LONG_FAILURE_BYTES)
            layout.LONG_FAILURE.write(buffer, layout.LONG_FAILURE_AT, record)
        record = _NUMBER.pack(number) + utf8_tail(text, layout.FAILURE_BYTES)
        layout.FAILURE.write(buffer, layout.FAILURE_AT, record)

    def ended(attempt: Attempt) -> Attempt:
        return attempt._replace(
            ended_ns=at_ns or time.monotonic_ns(),
            outcome="ok" if ok else "failed",
            pid=pid or attempt.pid,
            generation=generation or attempt.generation,
        )

    change(memory, buffer, number, ended)


def last_failure(memory: Memory) -> tuple[int, str]:
    """Return the last failed attempt's number and text; `(0, "")` if none failed."""
    number, text = _failure(layout.FAILURE.read(memory, layout.FAILURE_AT))
    # A release that does not know it may have written the other since.
    long_number, long_text = _failure(layout.LONG_FAILURE.read(memory, layout.LONG_FAILURE_AT))
    return number, long_text if long_number == number and long_text.endswith(text) else text


def _failure(record: bytes) -> tuple[int, str]:
    if len(record) < _NUMBER.size:
        return 0, ""
    (number,) = _NUMBER.unpack_from(record)
    return number, record[_NUMBER.size :].decode("utf-8", "replace")
