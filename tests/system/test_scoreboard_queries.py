"""Which of two processes on a scoreboard began later, and whether an orphan is still wanted."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswap.scoreboard import Scoreboard, layout, queries, slots
from tests.processes import ProcessTree
from tests.system.boards import IMPORT
from tests.system.other_process import OtherProcess


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Scoreboard]:
    """A board on which this process and others take slots."""
    with contextlib.closing(Scoreboard.create(str(tmp_path), "shop")) as made:
        yield made


@pytest.fixture
def other(process_tree: ProcessTree, board: Scoreboard) -> Iterator[OtherProcess]:
    """Another process that has the board open."""
    with OtherProcess(board.fileno()) as process:
        process.do(f"{IMPORT}; board = Scoreboard.from_fd({board.fileno()})")
        yield process


@pytest.mark.parametrize(
    ("ours", "theirs", "they_began_later"),
    [
        ((3, 5), (2, 6), True),
        ((3, 5), (9, 4), False),
        # Two that began at the same instant, under parents that did not see each other.
        ((3, 5), (3, 5), True),
        # The first generation has no number, and the process of an older release shows none.
        ((1, 0), (2, 1), True),
        ((2, 1), (1, 0), False),
        ((3, 5), (4, 0), True),
        ((4, 0), (3, 5), False),
    ],
)
def test_the_number_of_the_attempt_decides(
    board: Scoreboard, other: OtherProcess, ours: tuple[int, int], theirs: tuple[int, int], they_began_later: bool
) -> None:
    """Both sides come to the same result: exactly one of them is younger."""
    mine = board.take_slot(ours[0], "server", attempt=ours[1])
    mine.set_state("serving")
    other.do("from hotswap.scoreboard import queries")
    other.do(f"slot = board.take_slot({theirs[0]}, 'server', attempt={theirs[1]}); slot.set_state('serving')")
    found = queries.younger(board, mine)
    assert (found is not None and found.pid == other.pid) is they_began_later
    assert other.ask("queries.younger(board, slot) is None") is they_began_later


def test_one_that_does_not_serve_is_not_younger(board: Scoreboard, other: OtherProcess) -> None:
    """One that retires has been replaced itself, and a worker is no server."""
    mine = board.take_slot(2, "server", attempt=1)
    other.do("slot = board.take_slot(3, 'server', attempt=2); slot.set_state('retiring')")
    other.do("worker = board.take_slot(3, 'worker', attempt=2); worker.set_state('serving')")
    assert queries.younger(board, mine) is None
    assert queries.overtaken(board, mine) == ""


def begin(other: OtherProcess, state: str) -> int:
    """Another process, in that state, begins attempt 2 at generation 4; its number."""
    other.do(f"slot = board.take_slot(1, 'server'); slot.set_state({state!r}); number = board.begin_attempt(4)")
    return int(other.ask("number"))


@pytest.mark.parametrize("state", ["restarting", "handing-over"])
def test_a_later_attempt_under_way(board: Scoreboard, other: OtherProcess, state: str) -> None:
    """It counts from the moment it has a process, until it has ended; an earlier one, and our own, never do."""
    mine, later_than_it = (board.take_slot(3, "server", attempt=number) for number in (1, 2))
    board.begin_attempt(3)
    begin(other, state)
    assert queries.overtaken(board, mine) == ""
    other.do("board.attempt_pid(number, 77)")
    assert queries.overtaken(board, mine) == "generation 4 (pid 77) boots, whose start began later"
    assert queries.overtaken(board, later_than_it) == ""
    other.do("board.end_attempt(number, False, text='broken')")
    assert queries.overtaken(board, mine) == ""


def test_a_later_attempt_whose_parent_does_not_serve(board: Scoreboard, other: OtherProcess) -> None:
    """If its parent leaves, or is gone, there may be none left but this orphan."""
    mine = board.take_slot(3, "server", attempt=1)
    board.begin_attempt(3)
    begin(other, "draining")
    other.do("board.attempt_pid(number, 77)")
    assert queries.overtaken(board, mine) == ""
    other.do("slot.set_state('restarting')")
    assert queries.overtaken(board, mine)
    other.kill()
    assert queries.overtaken(board, mine) == ""


def test_an_attempt_that_was_ended_meanwhile(board: Scoreboard) -> None:
    """Only a server that stops ends the attempt of a generation that has died."""
    number = board.begin_attempt(3)
    mine = board.take_slot(3, "server", attempt=number)
    assert queries.overtaken(board, mine) == ""
    board.end_attempt(number, False, text=queries.TOLD_TO_STOP)
    assert queries.overtaken(board, mine) == "the server was told to stop"


def test_an_orphan_of_an_older_release_has_no_number(board: Scoreboard, other: OtherProcess) -> None:
    """Then no process can tell whether an attempt began later; it serves, and the generations decide."""
    mine = board.take_slot(3, "server")
    begin(other, "restarting")
    other.do("board.attempt_pid(number, 77)")
    assert queries.overtaken(board, mine) == ""


def test_the_slot_of_an_older_release(board: Scoreboard) -> None:
    """A record that ends before the number shows none."""
    board.take_slot(1, "server", attempt=7).set_state("serving")
    assert [view.attempt for view in board.slots()] == [7]
    record = struct.pack("<iI12s16sdd?", os.getpid(), 1, b"server", b"serving", 1.0, 2.0, False)
    slots.IDENTITY.write(board._writable(), layout.slot_at(0), record)
    assert [(view.since, view.attempt) for view in board.slots()] == [(2.0, 0)]
