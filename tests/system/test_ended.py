"""Which server processes have ended, as those that serve on learn it."""

from __future__ import annotations

from hotswap.scoreboard import Scoreboard
from tests.live import starts_processes
from tests.system.boards import successor


@starts_processes
def test_each_is_told_once(board: Scoreboard) -> None:
    """Not one that lives, or lingers; one that ended by itself is told as one that was killed, and never twice."""
    mine = board.take_slot(1, "server")
    mine.set_state("serving")
    worker = board.take_slot(1, "worker")
    worker.set_state("serving")
    with successor(board) as other, successor(board, generation=3) as lingering:
        lingering.do("board.linger(slot, has_stopped=False)")
        assert board.take_ended() == []
        lingering.kill()
        other.kill()
        found = {(view.recorded_pid, view.generation) for view in board.take_ended()}
        assert found == {(other.pid, 2), (lingering.pid, 3)}
    assert board.take_ended() == []


@starts_processes
def test_one_whose_slot_is_taken(board: Scoreboard) -> None:
    """The process that takes the slot tells of its owner before; of one that has released it nothing is known."""
    with successor(board) as other:
        pass
    board.take_slot(3, "server")
    assert [view.recorded_pid for view in board.take_ended()] == [other.pid]
    with successor(board, generation=4) as other:
        other.do("slot.release()")
    assert board.take_ended() == []
