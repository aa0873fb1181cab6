"""The bytes of a scoreboard: one fixed little-endian layout, read by every version. Pure: no file, no lock.

    0      magic, layout number, size, created, first pid, counter of restart attempts
    128    the server's name
    4096   256 slots of 256 bytes, one a process: identity and state, then counters
    69632  16 restart attempts of 256 bytes, a ring
    73728  the text of the last failure

A file is written by processes that can be killed between any two instructions, and read by others meanwhile.
So everything longer than a word is a `Twin`: two copies, of which one is valid. A counter is one aligned
word, which is stored in one piece on every machine that has 8-byte words (`struct` copies it whole where the
byte order is the machine's own).

Fields are added in the room left, never moved: a rolled back release reads the board of a newer one.
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
SLOTS_AT: Final = 4096
SLOTS_END: Final = SLOTS_AT + SLOT_COUNT * SLOT_SIZE
ATTEMPTS_AT: Final = SLOTS_END
FAILURE_AT: Final = ATTEMPTS_AT + ATTEMPT_COUNT * ATTEMPT_SIZE
SIZE: Final = 27 * 4096

FAILURE_BYTES: Final = 16 * 1024
NAME_BYTES: Final = 256

_HEADER: Final = struct.Struct("<8sIIdi")
_COUNTER_AT: Final = 32
WORD: Final = struct.Struct("<q")

Buffer = mmap.mmap | bytearray


class ScoreboardError(HotswapError):
    """A file is not a scoreboard, is one of another layout, has no slot left, or is open for reading only."""


class Memory(Protocol):
    """Where a board is read from: mapped memory in a server, the file itself in a command."""

    def peek(self, at: int, size: int) -> bytes:
        """Exactly `size` bytes from offset `at`; zeros where the file has been cut."""


class Twin:
    """A record of up to `capacity` bytes kept twice, so that no reader ever sees half of it.

    The writer fills the copy that is not valid, then turns a counter whose last bit says which one is. A
    writer killed on the way leaves the old record. The checksum is for a reader overtaken by two writes, and
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
        """Replace the record at `at` (longer ones are cut). One writer at a time."""
        record = record[: self.capacity]
        (turn,) = self._TURN.unpack_from(buffer, at)
        turn = (turn + 1) & 0xFFFFFFFF or 2  # 0 means "no record"
        copy = at + 8 + (turn & 1) * self._copy
        self._HEAD.pack_into(buffer, copy, zlib.crc32(record), len(record))
        buffer[copy + self._HEAD.size : copy + self._HEAD.size + len(record)] = record
        self._TURN.pack_into(buffer, at, turn)

    def clear(self, buffer: Buffer, at: int) -> None:
        """Say that there is no record at `at`."""
        self._TURN.pack_into(buffer, at, 0)

    def read(self, memory: Memory, at: int) -> bytes:
        """The record at `at`; empty when there is none or nothing valid can be read."""
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


def first_page(name: str, created: float, first_pid: int) -> bytes:
    """What a new board begins with; everything after it is zeros."""
    page = bytearray(SLOTS_AT)
    NAME.write(page, NAME_AT, encode(name, NAME_BYTES))
    _HEADER.pack_into(page, 0, MAGIC, LAYOUT, SIZE, created, first_pid)
    return bytes(page)


def check(memory: Memory) -> None:
    """Raise ScoreboardError (what it is instead) unless `memory` begins like a board of this layout."""
    magic, layout, size, _, _ = _HEADER.unpack(memory.peek(0, _HEADER.size))
    if magic != MAGIC:
        raise ScoreboardError("not a hotswap scoreboard")
    if layout != LAYOUT or size != SIZE:
        raise ScoreboardError(f"a scoreboard of layout {layout}, this hotswap reads layout {LAYOUT}")


def origin(memory: Memory) -> tuple[float, int]:
    """When the board was created (Unix time) and by which pid."""
    _, _, _, created, first_pid = _HEADER.unpack(memory.peek(0, _HEADER.size))
    return created, first_pid


def attempt_counter(memory: Memory) -> int:
    """The number of the latest restart attempt, 0 before the first."""
    return word(memory, _COUNTER_AT)


def set_attempt_counter(buffer: Buffer, value: int) -> None:
    """Make `value` the number of the latest restart attempt."""
    WORD.pack_into(buffer, _COUNTER_AT, value)


def word(memory: Memory, at: int) -> int:
    """The 64-bit number at `at`."""
    return int(WORD.unpack(memory.peek(at, WORD.size))[0])


def slot_at(index: int) -> int:
    """Offset of a slot; its first byte is also the one whose lock says that the owner lives."""
    return SLOTS_AT + index * SLOT_SIZE


def encode(text: str, limit: int) -> bytes:
    """`text` as UTF-8, its end cut off at `limit` bytes without leaving half a character."""
    raw = text.encode("utf-8", "backslashreplace")
    return raw if len(raw) <= limit else raw[:limit].decode("utf-8", "ignore").encode()


def encode_tail(text: str, limit: int) -> bytes:
    """`text` as UTF-8, its beginning cut off: of a traceback the end says most."""
    raw = text.encode("utf-8", "backslashreplace")
    return raw if len(raw) <= limit else raw[-limit:].decode("utf-8", "ignore").encode()


def field(raw: bytes) -> str:
    """A fixed-width text field: up to its first NUL, never an error."""
    return raw.partition(b"\0")[0].decode("utf-8", "replace")
