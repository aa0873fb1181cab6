"""What a release of hotswap reads that knows less of the scoreboard, and what is read of it: a deploy may upgrade
hotswap, and take the upgrade back.

The places and the formats below are those of a release without probation, metrics and health. They stand here as they
were: what a change of hotswap.scoreboard makes of them is what this is about.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswap.scoreboard import Deployment, Scoreboard

SLOT, COUNTERS, FIRST_ATTEMPT, FAILURE = 4096, 4096 + 160, 69632 + 256, 73728
IDENTITY_BYTES, ATTEMPT_BYTES, FAILURE_BYTES = 64, 112, 8 + 16384
IDENTITY = struct.Struct("<iI12s16sdd?Q")
#: Of the release after it, to which a process was a lame duck or not.
LAME_IDENTITY = struct.Struct("<iI12s16sdd?Q?")
FIGURES = struct.Struct("<10q")
ATTEMPT = struct.Struct("<QqqiIiB24s")


def record(content: bytes, at: int, capacity: int) -> bytes:
    """The valid one of two copies."""
    (turn,) = struct.unpack_from("<I", content, at)
    copy = at + 8 + (turn & 1) * (8 + capacity)
    checksum, length = struct.unpack_from("<II", content, copy)
    found = content[copy + 8 : copy + 8 + length]
    assert zlib.crc32(found) == checksum
    return found


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Scoreboard]:
    """The scoreboard of a server that has all that this release knows."""
    (tmp_path / "run").mkdir(mode=0o700)
    with contextlib.closing(Scoreboard.create(str(tmp_path / "run"), "shop")) as made:
        made.deployed(Deployment(2, 1.5, "9.9", "/srv/current", "/srv/r2", ("http://127.0.0.1:1",)))
        yield made


def content(board: Scoreboard) -> bytes:
    """The file's bytes."""
    assert board.path is not None
    return Path(board.path).read_bytes()


@pytest.mark.parametrize("tells_health", [True, False])
def test_a_process(board: Scoreboard, tells_health: bool) -> None:
    """Identity and the figures that it knows stand where they stood; a lame duck is one, whatever tells of it."""
    slot = board.take_slot(2, "server", may_receive=False, attempt=1)
    slot.set_state("serving")
    slot.update(connections=3, requests=4, in_flight=5, passed_on=6, answers=7, errors=8)
    slot.tally.add(requests=9)
    slot.mark_lame_duck(tells_health=tells_health)
    found = record(content(board), SLOT, IDENTITY_BYTES)
    pid, generation, role, state, *_, apart, attempt = IDENTITY.unpack_from(found)
    assert (pid, generation, role.rstrip(b"\0"), state.rstrip(b"\0")) == (os.getpid(), 2, b"server", b"serving")
    assert (apart, attempt) == (True, 1)
    assert LAME_IDENTITY.unpack_from(found)[-1] is True
    assert FIGURES.unpack_from(content(board), COUNTERS) == (3, 4, 5, 0, 0, 0, 0, 0, 0, 6)
    (view,) = board.slots()
    assert (view.lame_duck, view.tells_health) == (True, tells_health)


def test_a_restart(board: Scoreboard) -> None:
    """Its number, outcome and stage, also of one on probation, and the end of a failure's text."""
    board.wish_probation(30)
    number = board.begin_attempt(3)
    board.attempt_stage(number, "on probation for 30 s")
    board.end_attempt(number, False, pid=77, text="ä" * 20000)
    found = ATTEMPT.unpack_from(record(content(board), FIRST_ATTEMPT, ATTEMPT_BYTES))
    assert (found[0], *found[3:5], found[6]) == (1, 77, 3, 2)
    assert found[7].rstrip(b"\0") == b"on probation for 30 s"
    failure = record(content(board), FAILURE, FAILURE_BYTES)
    assert failure[:8] == struct.pack("<Q", 1)
    assert failure[8:].decode() == "ä" * (len(failure[8:]) // 2)
    assert len(failure) > FAILURE_BYTES - 4


def test_its_process(board: Scoreboard) -> None:
    """What it writes is read: no number of what it does not know, and no word of what a slot's last owner had there."""
    slot = board.take_slot(2, "server")
    slot.set_state("serving")
    slot.mark_lame_duck()
    assert board.path is not None
    with open(board.path, "r+b") as file:
        written = IDENTITY.pack(os.getpid(), 3, b"server", b"retiring", 1.0, 2.0, False, 7)
        (turn,) = struct.unpack_from("<I", content(board), SLOT)
        copy = SLOT + 8 + ((turn + 1) & 1) * (8 + IDENTITY_BYTES)
        file.seek(copy)
        file.write(struct.pack("<II", zlib.crc32(written), len(written)) + written)
        file.seek(SLOT)
        file.write(struct.pack("<I", turn + 1))
    (view,) = board.slots()
    assert (view.generation, view.state, view.attempt, view.lame_duck) == (3, "retiring", 7, False)
