"""Which worker takes the next connections, and which gives some away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswap.handover.balance import FairShare
from hotswap.scoreboard import Scoreboard, Slot
from tests.live import starts_processes
from tests.system.boards import IMPORT
from tests.system.other_process import OtherProcess


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Scoreboard]:
    """A board with this process's slot on it."""
    tmp_path.chmod(0o700)
    made = Scoreboard.create(str(tmp_path), "s")
    yield made
    made.close()


@pytest.fixture
def slot(board: Scoreboard) -> Slot:
    """This process's own."""
    made = board.take_slot(1, "worker")
    made.set_state("serving")
    return made


@pytest.fixture
def share(board: Scoreboard, slot: Slot) -> FairShare:
    """Of a worker with four threads."""
    return FairShare(board, slot, threads=4)


def sibling(board: Scoreboard, connections: int, *, in_flight: int = 0, state: str = "serving") -> OtherProcess:
    """Another worker with so many connections."""
    process = OtherProcess(board.fileno())
    process.do(f"{IMPORT}; board = Scoreboard.from_fd({board.fileno()}); slot = board.take_slot(1, 'worker')")
    process.do(f"slot.update(connections={connections}, in_flight={in_flight}); slot.set_state({state!r})")
    return process


def test_alone_it_takes_everything(share: FairShare) -> None:
    """No other worker could take a connection, or be given one."""
    assert share.allows(1000)
    assert share.excess(1000, in_flight=4) == share.excess(1000, in_flight=4) == 0
    assert not share.stuck


@starts_processes
def test_not_above_the_average(board: Scoreboard, share: FairShare) -> None:
    """With as many as the others, or fewer, it takes more; and others see how many it has."""
    with sibling(board, 10), sibling(board, 20):
        assert share.allows(15)
        assert not share.allows(16)
        assert [view.connections for view in board.slots()] == [16, 10, 20]


@starts_processes
def test_somebody_always_may(board: Scoreboard, share: FairShare) -> None:
    """Equal ones all may."""
    with sibling(board, 7), sibling(board, 7):
        assert share.allows(7)


@starts_processes
def test_those_who_do_not_receive_do_not_count(board: Scoreboard, share: FairShare) -> None:
    """One that retires has many connections, and takes none."""
    with sibling(board, 0, state="retiring"), sibling(board, 0, state="booting"):
        assert share.allows(100)
        assert share.excess(100, in_flight=0) == 0


@starts_processes
def test_a_crowded_worker_gives_its_excess(board: Scoreboard, share: FairShare) -> None:
    """What is above the average; small differences are left alone."""
    with sibling(board, 10), sibling(board, 16):
        assert share.excess(40, in_flight=0) == 18
        assert share.excess(17, in_flight=0) == 0


@starts_processes
def test_stuck_is_who_has_no_thread_free_for_a_while(board: Scoreboard, share: FairShare) -> None:
    """At two looks in a row: then all its idle connections should go, as long as another worker has a free thread."""
    with sibling(board, 10, in_flight=3):
        assert share.excess(5, in_flight=4) == 0
        assert share.excess(5, in_flight=4) == 5
        assert share.stuck


@starts_processes
def test_nobody_is_stuck_where_all_are(board: Scoreboard, share: FairShare) -> None:
    """No worker could serve at once, so it does not matter which has most connections."""
    with sibling(board, 10, in_flight=4):
        assert [share.excess(5, in_flight=4) for _ in range(3)] == [0, 0, 0]
        assert not share.stuck
        assert share.allows(100)
