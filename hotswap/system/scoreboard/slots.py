"""One process's slot on the scoreboard: `Slot` is its owner's handle, `SlotView` what anybody reads of it."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hotswap.system.scoreboard import layout
from hotswap.system.scoreboard.layout import Buffer, Memory, Twin

# The states in which a process polls the exchange: it takes connections that others pass on.
RECEIVING: Final = frozenset({"serving", "restarting", "handing-over"})

COUNTERS: Final = (
    "connections",
    "requests",
    "in_flight",
    "handed_over",
    "adopted",
    "accepted",
    "steals",
    "given_away",
    "beats",
)
_COUNTERS_AT: Final = 160
_COUNTER_AT: Final = {name: _COUNTERS_AT + 8 * place for place, name in enumerate(COUNTERS)}
_COUNTERS: Final = struct.Struct(f"<{len(COUNTERS)}q")

# pid, generation, role, state, started, since, whether it leaves receiving to others
_IDENTITY: Final = struct.Struct("<iI12s16sdd?")
_IDENTITY_V1: Final = 52  # bytes, without the last field: releases that had it receive themselves
IDENTITY: Final = Twin(64)


@dataclass(frozen=True, slots=True)
class SlotView:
    """A living process as the scoreboard shows it.

    `pid` is its name in the reader's pid namespace, `recorded_pid` in its own. Times are Unix times. `beats` grows as
    long as its main loop turns.
    """

    index: int
    pid: int
    generation: int
    role: str
    state: str
    started: float
    since: float
    recorded_pid: int
    connections: int = 0
    requests: int = 0
    in_flight: int = 0
    handed_over: int = 0
    adopted: int = 0
    accepted: int = 0
    steals: int = 0
    given_away: int = 0
    beats: int = 0
    aloof: bool = False

    @property
    def receives(self) -> bool:
        """Whether it polls the exchange: not the server process of a cluster, whose workers do."""
        return self.state in RECEIVING and not self.aloof


def view(memory: Memory, index: int, pid: int) -> SlotView | None:
    """Read a slot whose lock `pid` holds; None as long as the owner has not written its state."""
    at = layout.slot_at(index)
    record = IDENTITY.read(memory, at)
    if len(record) < _IDENTITY_V1:
        return None
    fields = _IDENTITY.unpack_from(record.ljust(_IDENTITY.size, b"\0"))
    recorded, generation, role, state, started, since, aloof = fields
    counters = _COUNTERS.unpack(memory.peek(at + _COUNTERS_AT, _COUNTERS.size))
    text = layout.field(state)
    if not text:
        return None
    figures = dict(zip(COUNTERS, counters, strict=True))
    known = index, pid, generation, layout.field(role), text, started, since, recorded
    return SlotView(*known, **figures, aloof=aloof)


class Slot:
    """The slot of this process, from `Scoreboard.take_slot`; `update` may be called from any thread.

    After `release`, after the board's `close`, and in a forked child (which has none of its parent's locks)
    the calls still work but write to nowhere: a daemon thread that counts to the last moment must not raise,
    or write another's slot.
    """

    __slots__ = (
        "_aloof", "_beats", "_release", "_where", "generation", "index", "pid", "role", "since", "started", "state"
    )  # fmt: skip

    def __init__(
        self,
        buffer: Buffer,
        index: int,
        generation: int,
        role: str,
        release: Callable[[Slot], None],
        *,
        aloof: bool = False,
    ) -> None:
        self._release = release
        self._aloof = aloof
        self._beats = 0
        # One value, because another thread may be about to write when it changes.
        self._where: tuple[Buffer, int] = buffer, layout.slot_at(index)
        self.index = index
        self.pid = os.getpid()
        self.generation = generation
        self.role = role
        self.state = ""
        self.started = self.since = time.time()

    def clear(self) -> None:
        """Wipe what a former owner left; until the first `set_state` nobody sees this slot."""
        buffer, at = self._where
        IDENTITY.clear(buffer, at)  # first, because the counters are read only after it
        _COUNTERS.pack_into(buffer, at + _COUNTERS_AT, *(0 for _ in COUNTERS))

    def set_state(self, state: str) -> None:
        """Show `state` (at most 16 ASCII characters) and since when."""
        self.state, self.since = state, time.time()
        texts = self.role.encode("ascii", "replace"), state.encode("ascii", "replace")
        record = _IDENTITY.pack(self.pid, self.generation, *texts, self.started, self.since, self._aloof)
        buffer, at = self._where
        IDENTITY.write(buffer, at, record)

    def update(self, **counters: int) -> None:
        """Set counters to new values, by their names in `COUNTERS` (KeyError for any other). 0.3 µs."""
        buffer, at = self._where
        for name, value in counters.items():
            layout.WORD.pack_into(buffer, at + _COUNTER_AT[name], value)

    def beat(self) -> None:
        """Show that this process does not stand still; to be called now and then."""
        self._beats += 1
        self.update(beats=self._beats)

    def release(self) -> None:
        """Leave the board while the process goes on; a process that ends has no need to."""
        self._release(self)

    def disconnect(self) -> None:
        """From now on write to nowhere."""
        self._where = bytearray(layout.SLOT_SIZE), 0
