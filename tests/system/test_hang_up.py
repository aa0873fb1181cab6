"""Which SIGHUP is a terminal's end, and which a deploy's: decided by a pseudo-terminal's poll, and by the time."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from hotswap.system.hang_up import TOGETHER, HangUp, Meaning
from hotswap.system.main_loop import MainLoop
from tests.live import starts_processes
from tests.processes import descriptors


class Window:
    """A pseudo-terminal, and a clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        self.name = os.ttyname(self._slave)
        self.now = 1000.0
        self.loop = MainLoop()
        self.stops: list[float] = []

    def hang_up(self, *, ignored: bool = False, alone_suffices: bool = False) -> HangUp:
        """What a process at this terminal sees."""
        made = HangUp(ignored=ignored, alone_suffices=alone_suffices, terminal=self.name, clock=lambda: self.now)
        made.watch(self.loop, lambda: self.stops.append(self.now))
        return made

    def type(self, text: bytes) -> None:
        """For a program that reads."""
        os.write(self._master, text)

    def close(self) -> None:
        """It hangs up."""
        for fd in (self._master, self._slave):
            if fd >= 0:
                os.close(fd)
        self._master = self._slave = -1

    def turn(self) -> None:
        """Let the main loop see what has happened by now."""
        self.loop.later(0, lambda: None)
        self.loop.wait()


@pytest.fixture
def window() -> Iterator[Window]:
    """One that is open."""
    made = Window()
    yield made
    made.close()
    made.loop.close()


def test_a_deploy(window: Window) -> None:
    """The terminal is there, and stays."""
    hang_up = window.hang_up()
    window.type(b"something\n")
    window.turn()
    assert [hang_up.meaning() for _ in range(2)] == [Meaning.RESTART] * 2
    assert window.stops == []


def test_what_is_typed_does_not_keep_the_loop_busy(window: Window) -> None:
    """Another program reads it, or none: once it is there, the loop sleeps."""
    window.hang_up()
    window.type(b"something\n")
    window.turn()
    ended: list[int] = []
    window.loop.later(0.05, lambda: ended.append(1))
    turns = 0
    while not ended:
        window.loop.wait()
        turns += 1
    assert turns <= 3


@pytest.mark.parametrize("seen_before", [False, True])
def test_its_signals_are_one(window: Window, seen_before: bool) -> None:
    """The shell's and the kernel's, whether the loop has seen the terminal's end before them or not."""
    hang_up = window.hang_up()
    window.close()
    if seen_before:
        window.turn()
    assert [hang_up.meaning() for _ in range(3)] == [Meaning.STOP, Meaning.NOTHING, Meaning.NOTHING]
    window.turn()
    assert window.stops == []


def test_an_emulator_signals_first(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was taken for a deploy was the window's end, if the process is in front."""
    monkeypatch.setattr(os, "tcgetpgrp", lambda _terminal: os.getpgrp())
    hang_up = window.hang_up()
    # The shell was signalled first, and has taken the terminal back.
    monkeypatch.setattr(os, "tcgetpgrp", lambda _terminal: os.getppid())
    assert hang_up.meaning() is Meaning.RESTART
    window.now += TOGETHER / 2
    window.close()
    window.turn()
    assert window.stops == [window.now]
    assert hang_up.meaning() is Meaning.NOTHING


def test_in_the_background_a_deploy_stays_one(window: Window) -> None:
    """`kill -HUP %1; exit`: the logout has nothing to do with it."""
    hang_up = window.hang_up()
    assert hang_up.meaning() is Meaning.RESTART
    window.close()
    window.turn()
    assert window.stops == []


def test_a_deploy_and_later_the_window(window: Window) -> None:
    """They have nothing to do with each other; a server in front is told by a SIGHUP of its own."""
    hang_up = window.hang_up()
    assert hang_up.meaning() is Meaning.RESTART
    window.now += TOGETHER + 1
    window.close()
    window.turn()
    assert window.stops == []
    assert hang_up.meaning() is Meaning.STOP


def test_the_next_day(window: Window) -> None:
    """After a logout, the terminal's end was seen without a signal, and a SIGHUP is a deploy's."""
    hang_up = window.hang_up()
    window.close()
    window.turn()
    assert window.stops == []
    window.now += TOGETHER + 1
    assert hang_up.meaning() is Meaning.RESTART


def test_nohup(window: Window) -> None:
    """Its end means nothing, also with a debugger; afterwards a SIGHUP is a deploy's."""
    hang_up = window.hang_up(ignored=True, alone_suffices=True)
    assert hang_up.meaning() is Meaning.RESTART
    window.close()
    window.turn()
    assert hang_up.meaning() is Meaning.NOTHING
    assert window.stops == []
    window.now += TOGETHER + 1
    assert hang_up.meaning() is Meaning.RESTART


def test_the_end_alone(window: Window) -> None:
    """With a debugger in the background of a shell that signals no job."""
    hang_up = window.hang_up(alone_suffices=True)
    window.close()
    window.turn()
    assert window.stops == [window.now]
    assert hang_up.meaning() is Meaning.NOTHING


def test_no_terminal(window: Window) -> None:
    """Every SIGHUP is a deploy's."""
    hang_up = HangUp(ignored=False, terminal=f"{window.name}/none")
    assert hang_up.meaning() is Meaning.RESTART
    hang_up.watch(window.loop, lambda: None)
    hang_up.close()


@starts_processes
def test_children_of_the_application_have_no_part_in_it(window: Window) -> None:
    """A child that stays would keep the terminal open."""
    before = descriptors(os.getpid())
    hang_up = window.hang_up()
    ours = descriptors(os.getpid()).keys() - before.keys()
    pid = os.fork()
    if pid == 0:
        leads_to = descriptors(os.getpid())
        os._exit({leads_to[fd] for fd in ours} != {os.devnull})
    assert os.waitpid(pid, 0)[1] == 0
    hang_up.close()


def test_it_lets_go(window: Window) -> None:
    """Nothing of the terminal stays open, once it has ended or is watched no more."""
    before = os.listdir("/proc/self/fd")
    ended, closed = window.hang_up(), window.hang_up()
    closed.close()
    window.close()
    window.turn()
    assert len(os.listdir("/proc/self/fd")) == len(before) - 2
    ended.close()
