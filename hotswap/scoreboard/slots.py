"""One process's slot on the scoreboard: `Slot` is its owner's handle, `SlotView` what other processes read of it."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from hotswap.lifecycle.states import State
from hotswap.scoreboard import layout
from hotswap.scoreboard.layout import Buffer, Memory, Twin
from hotswap.scoreboard.tally import Tally

# The states in which a process polls the exchange: it receives connections that other processes send.
RECEIVING: Final = frozenset({State.SERVING.value, State.RESTARTING.value, State.HANDING_OVER.value})

#: The state of a process that serves no more and has nothing left to hand over, but has not ended: its program goes on,
#: or the interpreter waits for the program's threads.
LINGERING: Final = "lingering"

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
    "passed_on",
    "answers",
    "errors",
)
_COUNTERS_AT: Final = 160
_COUNTER_AT: Final = {name: _COUNTERS_AT + 8 * place for place, name in enumerate(COUNTERS)}
_COUNTERS: Final = struct.Struct(f"<{len(COUNTERS)}q")

# In their place, for a process that lingers: whether the server has stopped, and what holds the process.
_HELD: Final = struct.Struct("<?95s")

# pid, generation, role, state, started, since, whether it never polls the exchange, number of its attempt, whether it
# is a lame duck (to older releases 1 for every one that is)
_IDENTITY: Final = struct.Struct("<iI12s16sdd?QB")
# Bytes, without the last three fields: an older release writes no more, and its server processes do poll the exchange.
_IDENTITY_V1: Final = 52
IDENTITY: Final = Twin(64)
_TELLS_HEALTH, _IS_SILENT = 1, 2


@dataclass(frozen=True, slots=True)
class SlotView:
    """A living process as the scoreboard shows it.

    `pid` is its pid in the reader's pid namespace, `recorded_pid` in its own. `started` and `since` (its state began)
    are Unix times. `beats` grows as long as its main loop turns, `passed_on` changes with each SIGHUP that it passes on
    (serving/echoes.py). `answers` are those that say how well the application does, `errors` the 5xx among them: 501,
    503 and answers about health are in neither. `attempt` is the number of the restart attempt that started it; 0 for
    the first generation, and for a release that does not write it. `held_by` says in words what a process that lingers
    waits for, "" if its program still goes on; `has_stopped`: it was told to stop, not to retire. `lame_duck`: it
    serves, and tells load balancers that it does not; `tells_health`: by a health path, which not every server has.
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
    passed_on: int = 0
    answers: int = 0
    errors: int = 0
    may_receive: bool = True
    attempt: int = 0
    held_by: str = ""
    has_stopped: bool = False
    lame_duck: bool = False
    tells_health: bool = False

    @property
    def named(self) -> str:
        """What people read of it, as in "generation 2 (pid 77)"."""
        return f"generation {self.generation} (pid {self.pid})"

    @property
    def serves(self) -> bool:
        """Whether it is a server process that accepts connections, itself or by its workers."""
        return self.role == "server" and self.state in RECEIVING

    @property
    def boots(self) -> bool:
        """Whether it neither serves yet nor has served."""
        return self.state == State.BOOTING.value

    @property
    def retires(self) -> bool:
        """Whether it hands over to a process that serves in its place."""
        return self.state == State.RETIRING.value

    @property
    def parked(self) -> bool:
        """Whether it has handed over, and would serve again should the process fail that serves in its place."""
        return self.state == State.PARKED.value

    @property
    def is_replaced(self) -> bool:
        """Whether another generation serves in its place."""
        return self.retires or self.parked

    @property
    def drains(self) -> bool:
        """Whether it ends what it serves, and hands nothing over."""
        return self.state == State.DRAINING.value

    @property
    def receives(self) -> bool:
        """Whether it polls the exchange. A cluster's server process does not; its workers do."""
        return self.state in RECEIVING and self.may_receive


def view(memory: Memory, index: int, pid: int) -> SlotView | None:
    """Read a slot whose lock `pid` holds; return None as long as the owner has not written its state."""
    at = layout.slot_at(index)
    record = IDENTITY.read(memory, at)
    if len(record) < _IDENTITY_V1:
        return None
    fields = _IDENTITY.unpack_from(record.ljust(_IDENTITY.size, b"\0"))
    recorded, generation, role, state, started, since, apart, attempt, lame_duck = fields
    text = layout.field(state)
    if not text:
        return None
    if text == LINGERING:
        has_stopped, held_by = _HELD.unpack(memory.peek(at + _COUNTERS_AT, _HELD.size))
        known = index, pid, generation, layout.field(role), text, started, since, recorded
        return SlotView(*known, may_receive=False, held_by=layout.field(held_by), has_stopped=has_stopped)
    counters = _COUNTERS.unpack(memory.peek(at + _COUNTERS_AT, _COUNTERS.size))
    figures = dict(zip(COUNTERS, counters, strict=True))
    known = index, pid, generation, layout.field(role), text, started, since, recorded
    return SlotView(
        *known,
        **figures,
        may_receive=not apart,
        attempt=attempt,
        lame_duck=bool(lame_duck),
        tells_health=lame_duck == _TELLS_HEALTH,
    )


class SlotOwner(NamedTuple):
    """What does not change of a process while it has its slot; see `Scoreboard.take_slot`."""

    generation: int
    role: str
    may_receive: bool = True
    attempt: int = 0


class Slot:
    """A slot of this process, from `Scoreboard.take_slot`.

    Thread: `update` may be called from any thread, also late: after `release`, after the board's `close`, and in a
    forked child (which has none of its parent's locks) all methods still work, but write to nowhere. A daemon thread
    that counts to the last moment must neither raise nor write another process's slot. All other methods are for the
    main thread.
    """

    __slots__ = (
        "_beats", "_lame_duck", "_owner", "_release", "_where", "index", "pid", "since", "started", "state", "tally",
    )  # fmt: skip

    def __init__(self, buffer: Buffer, index: int, owner: SlotOwner, release: Callable[[Slot], None]) -> None:
        self._release = release
        self._owner = owner
        self._beats = 0
        self._lame_duck = 0
        # One tuple, because another thread may be about to write when `disconnect` replaces it.
        self._where: tuple[Buffer, int] = buffer, layout.slot_at(index)
        #: what this process adds to the server's sums
        self.tally = Tally(buffer, index, owner.generation, owner.attempt)
        self.index = index
        self.pid = os.getpid()
        self.state = ""
        self.started = self.since = time.time()

    @property
    def generation(self) -> int:
        """The generation of the process, as others see it."""
        return self._owner.generation

    @property
    def attempt(self) -> int:
        """The number of the restart attempt that started the process; 0 for the first generation."""
        return self._owner.attempt

    def clear(self) -> None:
        """Wipe what a former owner left. Until the next `set_state`, readers do not see this slot."""
        buffer, at = self._where
        IDENTITY.clear(buffer, at)  # first, because the counters are read only after it
        _COUNTERS.pack_into(buffer, at + _COUNTERS_AT, *(0 for _ in COUNTERS))

    def set_state(self, state: str) -> None:
        """Show `state` (at most 16 ASCII characters), and that it begins now."""
        self.state, self.since = state, time.time()
        self._write()

    def mark_lame_duck(self, *, tells_health: bool = True) -> None:
        """Show that this process is one from now on, and whether a health path tells it; its state, and when that
        began, stay."""
        self._lame_duck = _TELLS_HEALTH if tells_health else _IS_SILENT
        self._write()

    def _write(self) -> None:
        owner = self._owner
        texts = owner.role.encode("ascii", "replace"), self.state.encode("ascii", "replace")
        marks = not owner.may_receive, owner.attempt, self._lame_duck
        record = _IDENTITY.pack(self.pid, owner.generation, *texts, self.started, self.since, *marks)
        buffer, at = self._where
        IDENTITY.write(buffer, at, record)

    def linger(self, *, has_stopped: bool, held_by: str = "") -> None:
        """Show that the process lingers, and what holds it; nothing but this may be called any more."""
        buffer, at = self._where
        # First: readers look there when they have seen the state.
        _HELD.pack_into(buffer, at + _COUNTERS_AT, has_stopped, layout.encode(held_by, 95))
        if self.state != LINGERING:
            self.set_state(LINGERING)

    def update(self, **counters: int) -> None:
        """Set counters to new values, by their names in `COUNTERS` (KeyError for any other). 0.3 µs."""
        buffer, at = self._where
        for name, value in counters.items():
            layout.WORD.pack_into(buffer, at + _COUNTER_AT[name], value)

    def beat(self) -> None:
        """Show that this process's main loop turns: the loop calls this now and then."""
        self._beats += 1
        self.update(beats=self._beats)

    def release(self) -> None:
        """Leave the board while the process goes on; a process that ends need not call it."""
        self._release(self)

    def disconnect(self) -> None:
        """Write to nowhere from now on."""
        self._where = bytearray(layout.SLOT_SIZE), 0
        self.tally = Tally(bytearray(), self.index, 0, 0)
