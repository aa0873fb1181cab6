"""A process turns as long as its heartbeats grow."""

from __future__ import annotations

from hotswap.scoreboard import SlotView
from hotswap.serving.beats import Beats
from tests.starter.test_echoes import Clock


def view(pid: int, beats: int) -> SlotView:
    """A process that serves and has beaten so often."""
    return SlotView(0, pid, 2, "server", "serving", 0.0, 0.0, pid, beats=beats)


def test_it_beats() -> None:
    """Two looks may see the same beat: looks may be closer together than beats are."""
    clock = Clock()
    clock.now = 0.0
    beats = Beats(2.5, clock)
    for second in range(10):
        clock.now = second / 2
        assert beats.turns([view(7, second // 2)])


def test_it_stands_still() -> None:
    """After its patience, and until it beats again."""
    clock = Clock()
    clock.now = 0.0
    beats = Beats(2.5, clock)
    assert beats.turns([view(7, 1)])
    clock.now = 2.4
    assert beats.turns([view(7, 1)])
    clock.now = 2.5
    assert not beats.turns([view(7, 1)])
    assert beats.turns([view(7, 2)])


def test_another_one() -> None:
    """A generation that has just appeared has its whole patience; none at all does not turn."""
    clock = Clock()
    clock.now = 0.0
    beats = Beats(2.5, clock)
    assert not beats.turns([])
    clock.now = 99.0
    assert beats.turns([view(8, 5)])
