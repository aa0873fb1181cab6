"""Processes on a board that have come to their end and still live: they are seen apart, and give way."""

from __future__ import annotations

import os

import pytest

from hotswap.scoreboard import SLOT_COUNT, Scoreboard, ScoreboardError, list_servers
from tests.live import starts_processes
from tests.system.boards import IMPORT
from tests.system.other_process import OtherProcess


def lingering(board: Scoreboard, other: OtherProcess, **how: object) -> None:
    """That process takes a slot and lingers in it."""
    other.do(f"{IMPORT}; board = Scoreboard.from_fd({board.fileno()}); slot = board.take_slot(2, 'server')")
    other.do("slot.set_state('retiring'); slot.update(requests=7)")
    other.do(f"board.linger(slot, has_stopped={how.get('has_stopped', False)})")


@starts_processes
def test_it_is_none_of_the_servers_processes(board: Scoreboard) -> None:
    """Other processes count on no such process; commands see it with what holds it."""
    with OtherProcess(board.fileno()) as other:
        lingering(board, other, has_stopped=True)
        assert board.slots() == []
        assert not board.alive(other.pid)
        (view,) = board.lingering()
        assert (view.pid, view.generation, view.state, view.held_by) == (other.pid, 2, "lingering", "")
        assert (view.has_stopped, view.requests) == (True, 0)
        other.do("board.held_by('the thread é' + 200 * 'x')")
        assert board.lingering()[0].held_by == "the thread é" + 82 * "x"
        assert [each.pid for each in board.everyone()] == [other.pid]
        assert board.lingerer(other.pid) is not None
        assert board.path is not None
        assert [found.name for found in list_servers(os.path.dirname(board.path))] == [board.name]
    assert board.lingering() == []


def test_the_process_itself(board: Scoreboard) -> None:
    """It sees itself, may take another slot, and is gone from the board when it closes that."""
    slot = board.take_slot(1, "server")
    slot.set_state("draining")
    board.linger(slot, has_stopped=False)
    assert board.slots() == []
    assert [view.pid for view in board.everyone()] == [os.getpid()]
    assert board.take_slot(1, "worker").index == 1
    board.close()
    assert board.everyone() == []


@starts_processes
def test_its_slot_is_taken_last(board: Scoreboard) -> None:
    """Only where no other is free; then that which has lingered longest gives way, and writes there no more."""
    with OtherProcess(board.fileno()) as older, OtherProcess(board.fileno()) as younger:
        lingering(board, older)
        lingering(board, younger)
        slots = [board.take_slot(1, "worker") for _ in range(SLOT_COUNT - 2)]
        assert [view.pid for view in board.lingering()] == [older.pid, younger.pid]
        taken = board.take_slot(3, "worker")
        assert taken.index == 0
        taken.set_state("serving")
        assert [view.pid for view in board.lingering()] == [younger.pid]
        older.do("board.held_by('text')")
        assert older.ask("[view.held_by for view in board.lingering()]") == [""]
        assert [view.generation for view in board.slots()] == [3]
        slots[0].release()
        assert board.take_slot(1, "worker").index == slots[0].index
        assert board.take_slot(1, "worker").index == 1
        assert board.lingering() == []
        with pytest.raises(ScoreboardError, match="256 slots"):
            board.take_slot(1, "worker")
