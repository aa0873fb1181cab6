"""The bytes of a scoreboard: no reader sees half a record, and garbage is never an error."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotswap.errors import NoSuchServer
from hotswap.scoreboard import Scoreboard, ScoreboardError, attempts, layout, slots
from hotswap.scoreboard.layout import Twin
from hotswap.system.tail import utf8_tail


class Plain:
    """A board in a bytearray."""

    def __init__(self, buffer: bytes | bytearray) -> None:
        self.buffer = buffer

    def peek(self, at: int, size: int) -> bytes:
        return bytes(self.buffer[at : at + size]).ljust(size, b"\0")


@given(st.lists(st.binary(max_size=70), max_size=6))
def test_twin_keeps_the_last_record(records: list[bytes]) -> None:
    """A twin reads as what was written last, cut to its capacity, and as empty before."""
    twin, buffer = Twin(64), bytearray(400)
    assert twin.read(Plain(buffer), 8) == b""
    for record in records:
        twin.write(buffer, 8, record)
        assert twin.read(Plain(buffer), 8) == record[:64]
    assert not any(buffer[:8])
    assert not any(buffer[8 + twin.size :])


def test_cleared_twin_is_empty() -> None:
    """After clear there is no record, whichever copy was valid, and writing goes on."""
    twin, buffer = Twin(8), bytearray(64)
    for text in (b"a", b"b", b"c"):
        twin.write(buffer, 0, text)
        assert twin.read(Plain(buffer), 0) == text
        twin.clear(buffer, 0)
        assert twin.read(Plain(buffer), 0) == b""


def test_twin_counts_around() -> None:
    """The turn counter wraps without ever being the zero that means "no record"."""
    twin, buffer = Twin(8), bytearray(64)
    buffer[:4] = b"\xfe\xff\xff\xff"
    for text in (b"a", b"b", b"c", b"d"):
        twin.write(buffer, 0, text)
        assert twin.read(Plain(buffer), 0) == text


@given(st.binary(max_size=64), st.binary(max_size=64), st.data())
def test_writer_killed_at_any_byte(old: bytes, new: bytes, data: st.DataObject) -> None:
    """However much of a new record was stored when its writer was killed, old or new is read."""
    twin = Twin(64)
    before = bytearray(twin.size)
    twin.write(before, 0, old)
    after = bytearray(before)
    twin.write(after, 0, new)
    # The copy is filled in any order, the turn changes last.
    filled = data.draw(st.integers(8, twin.size))
    torn = before[:8] + after[8:filled] + before[filled:]
    assert twin.read(Plain(torn), 0) == old
    assert twin.read(Plain(after), 0) == new


class Overtaken(Plain):
    """Memory that changes while it is read: the first copy read is half one record, half the next."""

    torn = b""

    def peek(self, at: int, size: int) -> bytes:
        seen = super().peek(at, size)
        if size > 4 and self.torn:
            seen, self.torn = self.torn, b""
        return seen


def test_reader_overtaken_by_two_writes() -> None:
    """A copy that was written while it was read is not believed; it is read again."""
    twin, buffer = Twin(8), bytearray(64)
    for text in (b"first", b"other"):
        twin.write(buffer, 0, text)
    memory = Overtaken(buffer)
    memory.torn = bytes(buffer[8:24]).replace(b"oth", b"thi")
    assert twin.read(memory, 0) == b"other"
    buffer[:] = buffer.replace(b"other", b"thirr")
    assert twin.read(memory, 0) == b""


@given(st.binary(min_size=400, max_size=400))
def test_twin_of_garbage(garbage: bytes) -> None:
    """Random bytes are an empty record or a short one, never an error."""
    assert len(Twin(64).read(Plain(garbage), 0)) <= 64


@given(st.text(max_size=300), st.integers(1, 256))
def test_texts_are_cut_between_characters(text: str, limit: int) -> None:
    """A cut text is a beginning (or end) of the whole one, without half a character, as long as may be."""
    whole = text.encode("utf-8", "backslashreplace").decode()
    head, tail = layout.encode(text, limit).decode(), utf8_tail(text, limit).decode()
    assert whole.startswith(head)
    assert whole.endswith(tail)
    if len(whole.encode()) > limit:
        assert limit - 4 < len(head.encode()) <= limit
        assert limit - 4 < len(tail.encode()) <= limit
    else:
        assert head == tail == whole


@pytest.mark.parametrize("twin", [layout.NAME, layout.FAILURE, layout.LONG_FAILURE, slots.IDENTITY])
def test_records_fit_their_places(twin: Twin) -> None:
    """Every region has room for its twin."""
    room = {
        layout.NAME: layout.SLOTS_AT - layout.NAME_AT,
        layout.FAILURE: layout.SIZE - layout.FAILURE_AT,
        layout.LONG_FAILURE: layout.FULL_SIZE - layout.LONG_FAILURE_AT,
        slots.IDENTITY: 160,
    }
    assert twin.size <= room[twin]


def test_layout_is_fixed() -> None:
    """The places are a contract between releases: a change of one needs another layout number."""
    assert (layout.MAGIC, layout.LAYOUT, layout.SIZE) == (b"HOTSWAP1", 1, 110592)
    assert (layout.NAME_AT, layout.SLOTS_AT, layout.ATTEMPTS_AT, layout.FAILURE_AT) == (
        128,
        4096,
        69632,
        73728,
    )
    assert (layout.SLOT_COUNT, layout.SLOT_SIZE, layout.ATTEMPT_COUNT, layout.ATTEMPT_SIZE) == (
        256,
        256,
        16,
        256,
    )
    assert slots.COUNTERS[:5] == ("connections", "requests", "in_flight", "handed_over", "adopted")
    page = layout.first_page("site", 1.5, 77)
    assert page[:32] == b"HOTSWAP1\1\0\0\0\0\xb0\1\0\0\0\0\0\0\0\xf8?M\0\0\0\0\0\0\0"


def test_check_names_what_is_wrong() -> None:
    """Another magic and another layout are told apart."""
    page = bytearray(layout.first_page("x", 0.0, 1))
    layout.check(Plain(page))
    page[8] = 9
    with pytest.raises(ScoreboardError, match="layout 9, this hotswap reads layout 1"):
        layout.check(Plain(page))
    page[0] = 0
    with pytest.raises(ScoreboardError, match="not a hotswap scoreboard"):
        layout.check(Plain(page))


@settings(max_examples=60)
@given(st.randoms(use_true_random=False), st.integers(0, 400))
def test_readers_survive_garbage(random: Random, flips: int) -> None:
    """A board with any bytes changed is read as something; nothing is raised."""
    content = bytearray(layout.first_page("x", 0.0, 1).ljust(layout.SIZE, b"\0"))
    memory = Plain(content)
    attempts.begin(memory, content, 2)
    for _ in range(flips):
        content[random.randrange(len(content))] = random.randrange(256)
    for index in range(layout.SLOT_COUNT):
        slots.view(memory, index, 1)
    attempts.read_all(memory)
    attempts.last_failure(memory)
    layout.origin(memory)
    layout.NAME.read(memory, layout.NAME_AT)


@settings(max_examples=25)
@given(st.binary(max_size=4096), st.integers(0, layout.SIZE))
def test_opening_garbage(garbage: bytes, at: int) -> None:
    """A board file overwritten with anything anywhere can be opened, or is refused as no server."""
    content = bytearray(layout.first_page("x", 0.0, 1).ljust(layout.SIZE, b"\0"))
    content[at : at + len(garbage)] = garbage
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "x.board")
        path.write_bytes(content)
        try:
            board = Scoreboard.open_path(str(path))
        except NoSuchServer:
            return
        assert board.slots() == []
        board.attempts()
        board.last_failure()
        assert isinstance(board.name, str)
        assert isinstance(board.first_pid, int)
        board.close()
        assert os.listdir(directory) == ["x.board"]
