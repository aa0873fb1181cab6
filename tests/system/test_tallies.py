"""What a server has done, in sums that outlive its processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hotswap.scoreboard import Scoreboard, layout, tally
from tests.live import starts_processes
from tests.system.boards import IMPORT
from tests.system.other_process import OtherProcess


def other_on(board: Scoreboard, generation: int, attempt: int = 0) -> OtherProcess:
    """Another process with a slot, a worker."""
    process = OtherProcess(board.fileno())
    process.do(f"{IMPORT}; board = Scoreboard.from_fd({board.fileno()})")
    process.do(f"slot = board.take_slot({generation}, 'worker', attempt={attempt}); slot.set_state('serving')")
    return process


def test_layout_of_tallies_is_fixed() -> None:
    """Names are appended, none moves, and there is room."""
    assert tally.SUMS[:9] == (
        "requests", "succeeded", "redirected", "client_errors", "server_errors", "unavailable", "unanswered",
        "health", "abandoned",
    )  # fmt: skip
    assert len(tally.OF_GENERATION) == 7
    assert len(tally.SUMS) <= 23
    assert (layout.TALLIES_AT, layout.TALLY_SIZE, layout.TALLIES_END) == (110592, 256, 176128)


@starts_processes
def test_sums_are_those_of_all_processes(board: Scoreboard) -> None:
    """What each has done, this one too; a figure that is written again replaces the one before."""
    mine = board.take_slot(1, "server")
    mine.tally.set(requests=5, succeeded=4)
    mine.tally.set(requests=7, succeeded=6)
    with other_on(board, 1) as other:
        other.do("slot.tally.set(requests=10, server_errors=3)")
        totals = board.totals()
    assert (totals["requests"], totals["succeeded"], totals["server_errors"]) == (17, 6, 3)
    assert set(totals) == set(tally.SUMS)


@starts_processes
@pytest.mark.parametrize("end", ["slot.release()", "board.close()", "pass"])
def test_sums_outlive_processes(board: Scoreboard, end: str) -> None:
    """However a process ends (with "pass" it is killed), and whichever gets its slot next, no sum goes back."""
    for done in range(1, 4):
        with other_on(board, 1) as other:
            assert other.ask("slot.index") == 0
            assert board.totals()["requests"] == done * 10 - 10
            other.do("slot.tally.set(requests=10)")
            assert board.totals()["requests"] == done * 10
            other.do(end)
        assert board.totals()["requests"] == done * 10


def test_a_late_thread_counts_nowhere(board: Scoreboard) -> None:
    """After the slot was given up its tally is another process's."""
    slot = board.take_slot(1, "server")
    slot.tally.set(requests=1)
    slot.release()
    slot.tally.set(requests=100)
    slot.tally.add(cut=5)
    assert (board.totals()["requests"], board.totals()["cut"]) == (1, 0)


def test_generations_are_told_apart(board: Scoreboard) -> None:
    """A slot that another generation, or another attempt at the same one, has taken counts for that from zero on; a
    worker that takes the place of one of its own generation adds to it."""
    for generation, attempt, requests in ((1, 0, 10), (2, 1, 20), (2, 2, 5), (2, 2, 6)):
        slot = board.take_slot(generation, "server", attempt=attempt)
        assert slot.index == 0
        slot.tally.set(requests=requests, server_errors=1)
        slot.release()
    assert board.done_by(2, 2) == {**dict.fromkeys(tally.OF_GENERATION, 0), "requests": 11, "server_errors": 2}
    assert board.done_by(2, 1)["requests"] == 0
    assert board.totals()["requests"] == 41


def test_restarts_are_counted_once(board: Scoreboard) -> None:
    """An attempt that two processes end, one after the other, is one."""
    board.take_slot(1, "server")
    for ok in (True, True, False):
        number = board.begin_attempt(2)
        board.end_attempt(number, ok, text="broken")
        board.end_attempt(number, ok, text="broken")
    totals = board.totals()
    assert (totals["restarts_ok"], totals["restarts_failed"]) == (2, 1)
    assert totals["restart_us"] >= 0


def test_a_file_of_an_older_release_is_made_longer(tmp_path: Path) -> None:
    """Its processes go on as before: what they have mapped does not change."""
    old = os.open(tmp_path / "x.board", os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(old, 0, layout.SIZE)
    os.pwrite(old, layout.first_page("x", 0.0, 1), 0)
    board = Scoreboard.from_fd(old)
    board.take_slot(2, "server").tally.set(requests=3)
    assert board.totals()["requests"] == 3
    assert os.stat(tmp_path / "x.board").st_size == layout.FULL_SIZE
    board.close()


def test_a_disk_too_full_for_tallies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then there are none, and all else goes on."""
    old = os.open(tmp_path / "x.board", os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(old, 0, layout.SIZE)
    os.pwrite(old, layout.first_page("x", 0.0, 1), 0)

    def full(fd: int, offset: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    board = Scoreboard.from_fd(old)
    slot = board.take_slot(2, "server")
    slot.set_state("serving")
    slot.tally.set(requests=3)
    slot.tally.add(worker_deaths=3)
    assert [view.pid for view in board.slots()] == [os.getpid()]
    assert set(board.totals().values()) == {0}
    board.close()
