"""What commands ask of a server on the scoreboard: each wish is about one restart attempt, and no other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswap.scoreboard import Scoreboard
from tests.processes import ProcessTree
from tests.system.boards import IMPORT
from tests.system.other_process import OtherProcess


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Scoreboard]:
    """A board on which this process has a slot."""
    with contextlib.closing(Scoreboard.create(str(tmp_path), "shop")) as made:
        made.take_slot(1, "server").set_state("serving")
        yield made


def test_nothing_was_asked_for(board: Scoreboard) -> None:
    """On a new board."""
    assert [board.wished_probation(number) for number in (1, 2, 2**31 - 1)] == [None] * 3
    assert not any(board.rollback_asked(number) for number in (1, 2))


@pytest.mark.parametrize(("asked", "heard"), [(30, 30), (0, 0), (0.0004, 0), (2.5, 2.5), (1e12, (2**31 - 1) / 1000)])
def test_a_probation_is_for_the_next_attempt_alone(board: Scoreboard, asked: float, heard: float) -> None:
    """0 is a wish too: for none this time."""
    board.wish_probation(asked)
    number = board.begin_attempt(2)
    following = board.begin_attempt(3)
    assert board.wished_probation(number) == heard
    assert board.wished_probation(following) is None


def test_a_rollback_is_of_one_attempt(board: Scoreboard) -> None:
    """One that came too late does nothing to the next."""
    board.ask_rollback(1)
    assert [board.rollback_asked(number) for number in (1, 2)] == [True, False]


def test_a_command_writes_what_a_server_reads(board: Scoreboard, process_tree: ProcessTree) -> None:
    """Through the descriptor that it reads with, from another process; the server keeps its slot."""
    with OtherProcess(board.fileno()) as other:
        other.do(f"{IMPORT}; reader = Scoreboard.open_path({board.path!r})")
        other.do("reader.wish_probation(7); reader.ask_rollback(5)")
        assert board.wished_probation(1) == 7
        assert board.rollback_asked(5)
        assert other.ask("len(reader.slots())") == 1
