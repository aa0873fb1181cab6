"""What a gunicorn arbiter's workers see of each other."""

from __future__ import annotations

import os

from hotswap.crew import ground
from hotswap.crew.ground import Births, Ground


def test_births_are_awaited_until_they_show_themselves() -> None:
    """An older worker asks for younger ones only."""
    births = Births()
    assert not births.awaited()
    births.announce(1)
    assert births.awaited()
    assert not births.awaited(after=1)
    births.shown(1)
    births.announce(2)
    births.announce(3)
    births.shown(2)
    assert births.awaited(after=1)
    assert births.awaited(after=2)
    births.shown(3)
    assert not births.awaited()


def test_one_that_was_told_to_leave_is_not_awaited() -> None:
    """And what it was told is known when it is dead, too."""
    births = Births()
    births.announce(1)
    births.announce(2)
    births.shown(2)
    births.told(2)
    assert births.awaited(after=0)
    assert not births.awaited(after=1)
    assert births.any_told(after=1)
    assert not births.any_told(after=2)


def test_thousands_of_workers_ago() -> None:
    """max_requests makes many of them; only the youngest are remembered."""
    births = Births()
    births.announce(1)
    for age in range(2, 5000):
        births.announce(age)
        births.shown(age)
    assert not births.awaited(after=1)


def test_a_forked_process_has_no_ground_of_its_own() -> None:
    """gunicorn's arbiter is forked when it becomes a daemon: what was made before is another process's."""
    ground.prepare()
    made = ground.here()
    assert made is not None
    ground.prepare()
    assert ground.here() is made
    pid = os.fork()
    if pid == 0:
        os._exit(0 if ground.here() is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_who_boots_is_seen_by_others() -> None:
    """From the announcement to the first state that says something else, without a gap."""
    mine = Ground()
    assert not mine.boots()
    mine.births.announce(7)
    assert mine.boots(after=6)
    slot = mine.enter(7)
    assert mine.boots(after=6)
    assert not mine.boots(after=7)
    slot.set_state("serving")
    assert not mine.boots()
    assert not mine.leaves(), "our own slot is none of the others'"
    mine.board.close()
