"""Two servers that are given one pid file: it goes on naming the one that serves."""

from __future__ import annotations

from collections.abc import Callable

from tests.harness import Program
from tests.processes import alive


def test_it_stays_the_first_ones(programs: Callable[[str], Program]) -> None:
    """The second does not start, and says whose the file is; the first restarts as ever, and takes the file along."""
    first, second = programs("first"), programs("second")
    path = first.folder / "app.pid"
    first.start(pidfile=str(path), name="shop")
    second.start(pidfile=str(path), ready=False)
    sentence = rf"the pid file {path} is in use by pid {first.pid}, which serves shop: choose another path, or stop"
    second.wait_for(sentence)
    assert second.wait_status() == 1
    assert path.read_text() == f"{first.pid}\n"
    first.restart()
    assert path.read_text() == f"{first.serving_pid}\n"
    first.settle()
    assert first.stop() == 0
    second.start()
    assert path.read_text() == f"{second.pid}\n"
    assert second.stop() == 0


def test_one_that_was_killed_holds_nothing(program: Program) -> None:
    """A stale file is taken over without a word, as is one whose pid is now another program's."""
    path = program.folder / "app.pid"
    path.write_text("1\n")
    assert alive(1)
    program.start(pidfile=str(path))
    assert path.read_text() == f"{program.pid}\n"
    assert program.stop() == 0
    assert not path.exists()
