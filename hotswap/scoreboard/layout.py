"""The bytes of a scoreboard: one fixed little-endian layout that every release reads. Pure: no file, no lock.

    0      magic, layout number, size, created, first pid, counter of restart attempts
    112    what commands ask for (wishes.py)
    128    the server's name
    1024   what it was deployed with (deployment.py), up to 3608
    4096   256 slots of 256 bytes, one a process: identity and state, then counters
    69632  16 restart attempts of 256 bytes, a ring
    73728  the text of the last failure
    110592 a tally of 256 bytes for each slot
    176128 the text of the last failure once more, if it is long

The processes that write the file can be killed between any two instructions, and others read it meanwhile. So
everything longer than a word is a `Twin`: two copies, of which one is valid. A counter is one aligned word, which is
stored in one piece on every machine that has 8-byte words (`struct` copies it whole where the byte order is the
machine's own).

A new field goes into the room that is left, and no field ever moves: a release that was rolled back reads the board of
a newer one. The tallies, and what follows, came later, and lie where a file ended before: a release that does not know
them reads and maps what is before them, and so does this one where it cannot make an older file longer.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from typing import Final, Protocol

from hotswap.errors import HotswapError

MAGIC: Final = b"HOTSWAP1"
LAYOUT: Final = 1

SLOT_COUNT: Final = 256
SLOT_SIZE: Final = 256
ATTEMPT_COUNT: Final = 16
ATTEMPT_SIZE: Final = 256

NAME_AT: Final = 128
DEPLOYMENT_AT: Final = 1024
SLOTS_AT: Final = 4096
SLOTS_END: Final = SLOTS_AT + SLOT_COUNT * SLOT_SIZE
ATTEMPTS_AT: Final = SLOTS_END
FAILURE_AT: Final = ATTEMPTS_AT + ATTEMPT_COUNT * ATTEMPT_SIZE
SIZE: Final = 27 * 4096
TALLIES_AT: Final = SIZE
TALLY_SIZE: Final = 256
TALLIES_END: Final = TALLIES_AT + SLOT_COUNT * TALLY_SIZE
LONG_FAILURE_AT: Final = TALLIES_END
FULL_SIZE: Final = LONG_FAILURE_AT + 36 * 4096

FAILURE_BYTES: Final = 16 * 1024
#: 16 KiB of any letters, and the sentence above them.
LONG_FAILURE_BYTES: Final = 68 * 1024
NAME_BYTES: Final = 256

_HEADER: Final = struct.Struct("<8sIIdi")
_COUNTER_AT: Final = 32
WORD: Final = struct.Struct("<q")

Buffer = mmap.mmap | bytearray


class ScoreboardError(HotswapError):
    """A file is not a scoreboard, is one of another layout, has no slot left, or is open for reading only."""


class Memory(Protocol):
    """What a board is read from: mapped memory in a server's process, the file itself in a command."""

    def peek(self, at: int, size: int) -> bytes:
        """Return exactly `size` bytes from offset `at`; zeros where the file has been cut."""


class Twin:
    """A record of up to `capacity` bytes that is kept twice, so that no reader ever sees half of it.

    The writer fills the copy that is not valid, then increments a counter whose last bit says which copy is valid. A
    writer that is killed on the way leaves the old record. The checksum is for a reader that two writes overtake, and
    for files that hold garbage.
    """

    _TURN: Final = struct.Struct("<I")
    _HEAD: Final = struct.Struct("<II")
    _TRIES: Final = 8

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._copy = self._HEAD.size + capacity
        self.size = 8 + 2 * self._copy

    def write(self, buffer: Buffer, at: int, record: bytes) -> None:
        """Replace the record at `at`; a longer one is cut to `capacity`. One writer at a time."""
        record = record[: self.capacity]
        (turn,) = self._TURN.unpack_from(buffer, at)
        turn = (turn + 1) & 0xFFFFFFFF or 2  # 0 means "no record"
        copy = at + 8 + (turn & 1) * self._copy
        self._HEAD.pack_into(buffer, copy, zlib.crc32(record), len(record))
        buffer[copy + self._HEAD.size : copy + self._HEAD.size + len(record)] = record
        self._TURN.pack_into(buffer, at, turn)

    def clear(self, buffer: Buffer, at: int) -> None:
        """Remove the record at `at`."""
        self._TURN.pack_into(buffer, at, 0)

    def read(self, memory: Memory, at: int) -> bytes:
        """Return the record at `at`; empty if there is none, or none that is valid."""
        for _ in range(self._TRIES):
            (turn,) = self._TURN.unpack(memory.peek(at, 4))
            if not turn:
                break
            copy = memory.peek(at + 8 + (turn & 1) * self._copy, self._copy)
            checksum, length = self._HEAD.unpack_from(copy)
            record = copy[self._HEAD.size : self._HEAD.size + length]
            if length == len(record) and zlib.crc32(record) == checksum:
                return record
        return b""


NAME: Final = Twin(NAME_BYTES)
FAILURE: Final = Twin(8 + FAILURE_BYTES)
LONG_FAILURE: Final = Twin(8 + LONG_FAILURE_BYTES)


def first_page(name: str, created: float, first_pid: int) -> bytes:
    """Return the first page of a new board; everything behind it is zeros."""
    page = bytearray(SLOTS_AT)
    NAME.write(page, NAME_AT, encode(name, NAME_BYTES))
    _HEADER.pack_into(page, 0, MAGIC, LAYOUT, SIZE, created, first_pid)
    return bytes(page)


def check(memory: Memory) -> None:
    """Raise ScoreboardError, which says what `memory` is instead, unless it begins like a board of this layout."""
    magic, layout, size, _, _ = _HEADER.unpack(memory.peek(0, _HEADER.size))
    if magic != MAGIC:
        raise ScoreboardError("not a hotswap scoreboard")
    if layout != LAYOUT or size != SIZE:
        raise ScoreboardError(f"a scoreboard of layout {layout}, this hotswap reads layout {LAYOUT}")


def origin(memory: Memory) -> tuple[float, int]:
    """Return when the board was created (Unix time) and by which pid."""
    _, _, _, created, first_pid = _HEADER.unpack(memory.peek(0, _HEADER.size))
    return created, first_pid


def attempt_counter(memory: Memory) -> int:
    """Return the number of the latest restart attempt, 0 before the first."""
    return word(memory, _COUNTER_AT)


def set_attempt_counter(buffer: Buffer, value: int) -> None:
    """Make `value` the number of the latest restart attempt."""
    WORD.pack_into(buffer, _COUNTER_AT, value)


def word(memory: Memory, at: int) -> int:
    """Return the 64-bit number at `at`."""
    return int(WORD.unpack(memory.peek(at, WORD.size))[0])


def slot_at(index: int) -> int:
    """Return the offset of a slot; its owner holds a lock on its first byte as long as it lives.

    One that lingers holds the second byte instead, which keeps only those away that find a free slot.
    """
    return SLOTS_AT + index * SLOT_SIZE


def tally_at(index: int) -> int:
    """Return the offset of the tally that belongs to a slot, and to whichever process owns that."""
    return TALLIES_AT + index * TALLY_SIZE


def may_be_board(size: int) -> bool:
    """Return whether a file of so many bytes may be a board, of this release or of one that knows no tallies."""
    return size in (SIZE, FULL_SIZE)


def encode(text: str, limit: int) -> bytes:
    """Return `text` as UTF-8, cut off at `limit` bytes or before, so that no half character is left."""
    raw = text.encode("utf-8", "backslashreplace")
    return raw if len(raw) <= limit else raw[:limit].decode("utf-8", "ignore").encode()


def field(raw: bytes) -> str:
    """Return the text of a fixed-width field, up to its first NUL. Never raises."""
    return raw.partition(b"\0")[0].decode("utf-8", "replace")
