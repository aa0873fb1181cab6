"""What a gunicorn arbiter's workers see of each other."""

from __future__ import annotations

import os

from hotswap.workers.native import arbiter_shared
from hotswap.workers.native.arbiter_shared import ArbiterShared, BootBoard
from tests.live import starts_processes


def test_births_are_awaited_until_they_show_themselves() -> None:
    """An older worker asks for younger ones only."""
    boot_board = BootBoard()
    assert not boot_board.awaited()
    boot_board.announce(1)
    assert boot_board.awaited()
    assert not boot_board.awaited(after=1)
    boot_board.shown(1)
    boot_board.announce(2)
    boot_board.announce(3)
    boot_board.shown(2)
    assert boot_board.awaited(after=1)
    assert boot_board.awaited(after=2)
    boot_board.shown(3)
    assert not boot_board.awaited()


def test_one_that_was_told_to_leave_is_not_awaited() -> None:
    """And what it was told is known when it is dead, too."""
    boot_board = BootBoard()
    boot_board.announce(1)
    boot_board.announce(2)
    boot_board.shown(2)
    boot_board.stop_requested(2)
    assert boot_board.awaited(after=0)
    assert not boot_board.awaited(after=1)
    assert boot_board.any_stop_requested(after=1)
    assert not boot_board.any_stop_requested(after=2)


def test_one_that_has_ended_is_not_awaited() -> None:
    """Killed before it could show itself; what another one was told stays known."""
    boot_board = BootBoard()
    boot_board.announce(1)
    boot_board.announce(2)
    boot_board.stop_requested(2)
    boot_board.ended(1)
    boot_board.ended(2)
    assert not boot_board.awaited()
    assert boot_board.any_stop_requested(after=1)


def test_thousands_of_workers_ago() -> None:
    """max_requests makes many of them; only the youngest are remembered."""
    boot_board = BootBoard()
    boot_board.announce(1)
    for age in range(2, 5000):
        boot_board.announce(age)
        boot_board.shown(age)
    assert not boot_board.awaited(after=1)


@starts_processes
def test_a_forked_process_has_no_ground_of_its_own() -> None:
    """gunicorn's arbiter is forked when it becomes a daemon: what was made before is another process's."""
    arbiter_shared.prepare()
    made = arbiter_shared.here()
    assert made is not None
    arbiter_shared.prepare()
    assert arbiter_shared.here() is made
    pid = os.fork()
    if pid == 0:
        os._exit(0 if arbiter_shared.here() is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_who_boots_is_seen_by_others() -> None:
    """From the announcement to the first state that says something else, without a gap."""
    mine = ArbiterShared()
    assert not mine.boots()
    mine.boot_board.announce(7)
    assert mine.boots(after=6)
    slot = mine.enter(7)
    assert mine.boots(after=6)
    assert not mine.boots(after=7)
    slot.set_state("serving")
    assert not mine.boots()
    assert not mine.leaves(), "our own slot is none of the others'"
    mine.board.close()
