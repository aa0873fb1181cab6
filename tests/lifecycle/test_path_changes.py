"""When a watched path asks for a restart, told by a clock that the test sets."""

from __future__ import annotations

import pytest

from hotswap.lifecycle.path_changes import PathChanges


def looked(*looks: tuple[float, str | None], known: str | None = "a") -> list[float]:
    """The times of the looks that ask for a restart; it has to be quiet for 2 seconds."""
    changes = PathChanges(2.0)
    changes.known = known
    return [now for now, state in looks if changes.asks_for_restart(state, now)]


@pytest.mark.parametrize(
    ("looks", "restarts"),
    [
        ([(0, "a"), (1, "a"), (9, "a")], []),
        ([(0, "a"), (1, "b"), (2, "b"), (3, "b"), (9, "b")], [3]),  # once
        ([(0, "b"), (1, "b"), (2, "b")], [2]),  # it has changed while this generation booted
        ([(0, "b"), (1, "c"), (2, "d"), (3, "d"), (4, "d")], [4]),  # not while it goes on changing
        ([(0, "b"), (1, "a"), (9, "a")], []),  # and back again
        ([(0, "b"), (2, "b"), (3, "a"), (5, "a")], [2, 5]),  # back again, but that came to rest
        ([(0, None), (9, None), (10, "a"), (99, "a")], []),  # gone for a while
        ([(0, None), (9, None), (10, "b"), (11, "b"), (12, "b")], [12]),
    ],
)
def test_a_restart_for_each_state_that_it_rests_in(looks: list[tuple[float, str | None]], restarts: list[int]) -> None:
    """As seen from a generation that was started with state a."""
    assert looked(*looks) == restarts


def test_a_restart_that_has_failed() -> None:
    """It is not repeated, nor is one that was taken back; the next change asks again."""
    changes = PathChanges(2.0)
    changes.known = "a"
    assert [changes.asks_for_restart("b", now) for now in (0, 2)] == [False, True]
    changes.starts_successor("b")
    assert not any(changes.asks_for_restart("b", now) for now in (3, 9, 99))
    assert [changes.asks_for_restart("c", now) for now in (100, 102)] == [False, True]


def test_a_restart_for_another_reason() -> None:
    """A SIGHUP right after the change: the successor has it, and no second restart follows."""
    changes = PathChanges(2.0)
    changes.known = "a"
    assert not changes.asks_for_restart("b", 0)
    changes.starts_successor("b")
    assert not changes.asks_for_restart("b", 2)


def test_a_look_that_took_too_long() -> None:
    """The successor may have the last change or not: it is told of the state before, and restarts rather too often."""
    changes = PathChanges(2.0)
    changes.known = "a"
    changes.asks_for_restart("a", 0)
    changes.starts_successor(None)
    assert changes.known == "a"
    assert [changes.asks_for_restart("b", now) for now in (1, 3)] == [False, True]


def test_nothing_was_seen() -> None:
    """A HUP before the first look, whose own look takes too long: what the generation was started with still counts."""
    changes = PathChanges(2.0)
    changes.known = "a"
    changes.starts_successor(None)
    assert changes.known == "a"
    assert [changes.asks_for_restart("b", now) for now in (0, 2)] == [False, True]
