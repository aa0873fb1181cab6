"""A scoreboard whose writers are killed, at every line one after the other, and at random under full load."""

from __future__ import annotations

import os
from pathlib import Path

from hotswap.scoreboard import Scoreboard, list_servers
from tests.live import starts_processes
from tests.system import boards
from tests.system.other_process import OtherProcess

IMPORT = f"{boards.IMPORT}; from tests.system.fault_injection import killed_at"


def make(directory: Path, name: str) -> Scoreboard:
    return Scoreboard.create(str(directory), name)


@starts_processes
def test_killed_at_any_line_of_creation(tmp_path: Path) -> None:
    """Wherever a server is killed that makes its board, commands see none, and the next gets the name."""
    with OtherProcess() as other:
        other.do(IMPORT)
        line, alive = 0, True
        while alive:
            line += 1
            directory = tmp_path / str(line)
            alive = other.ask(f"killed_at({line}, lambda: Scoreboard.create({str(directory)!r}, 'x'))")
            assert list_servers(str(directory)) == [] or not directory.exists()
            board = make(directory, "x")
            assert board.path == f"{directory}/x.board"
            assert [name for name in os.listdir(directory) if name.endswith(".board")] == ["x.board"]
            board.close()
    assert line > 50


@starts_processes
def test_killed_at_any_line_of_a_rename(tmp_path: Path) -> None:
    """Wherever it is killed while it renames its board, there is one file, with the old name or the new."""
    with OtherProcess() as other:
        other.do(IMPORT)
        line, alive = 0, True
        while alive:
            line += 1
            directory = tmp_path / str(line)
            alive = other.ask(f"killed_at({line}, lambda: Scoreboard.create({str(directory)!r}, 'old').rename('new'))")
            whole = [path for path in directory.glob("*") if path.stat().st_size]
            assert len(whole) <= 1
            heir = make(directory, "new")
            assert heir.path == f"{directory}/new.board"
            heir.close()
    assert line > 50


@starts_processes
def test_killed_at_any_line_of_a_slot(tmp_path: Path) -> None:
    """Wherever a process is killed that takes, writes or leaves a slot, the slot is free, the board whole."""
    board = make(tmp_path, "x")
    board.take_slot(1, "server").set_state("serving")
    with OtherProcess(board.fileno()) as other:
        other.do(IMPORT)
        other.do(
            f"board = Scoreboard.from_fd({board.fileno()})\n"
            "def scenario():\n"
            "    slot = board.take_slot(2, 'worker')\n"
            "    slot.set_state('booting'); slot.set_state('serving')\n"
            "    slot.update(requests=7)\n"
            "    slot.release()"
        )
        line = 1
        while other.ask(f"killed_at({line}, scenario)"):
            (view,) = board.slots()
            assert view.pid == os.getpid()
            line += 1
        other.do("slot = board.take_slot(2, 'server'); slot.set_state('serving')")
        assert other.ask("slot.index") == 1
        assert [view.state for view in board.slots()] == ["serving", "serving"]
        assert board.slots()[1].requests == 0
    assert line > 30
    board.close()


@starts_processes
def test_killed_at_any_line_of_an_attempt(tmp_path: Path) -> None:
    """Wherever a server is killed that records an attempt, old or new is read, and the next attempt works."""
    board = make(tmp_path, "x")
    old, new = "old failure" * 50, "new failure" * 60
    board.end_attempt(board.begin_attempt(2), False, text=old)
    with OtherProcess(board.fileno()) as other:
        other.do(IMPORT)
        other.do(
            f"board = Scoreboard.from_fd({board.fileno()})\n"
            "def scenario():\n"
            "    number = board.begin_attempt(3)\n"
            "    board.attempt_pid(number, 4711); board.attempt_stage(number, 'importing')\n"
            f"    board.end_attempt(number, False, 4711, 3, {new!r})"
        )
        line, alive = 0, True
        while alive:
            line += 1
            alive = other.ask(f"killed_at({line}, scenario)")
            number, text = board.last_failure()
            assert text in (old, new)
            assert number <= board.attempt_counter
            # A reader that sees that an attempt has failed finds its text.
            assert number == max(seen.number for seen in board.attempts() if seen.outcome == "failed") or text == new
            for attempt in board.attempts():
                assert attempt.stage in ("starting", "importing")
                assert attempt.pid in (0, 4711)
                assert (attempt.outcome == "failed") == bool(attempt.ended_ns)
            again = board.begin_attempt(2)
            board.end_attempt(again, False, text=old)
            assert board.last_failure() == (again, old)
            assert board.attempts()[-1].outcome == "failed"
    assert line > 60
    board.close()


@starts_processes
def test_reader_while_writers_are_killed(tmp_path: Path) -> None:
    """While writers write without a pause and are killed, every value read is one that was written."""
    board = make(tmp_path, "x")
    states, texts = ("serving", "retiring", "a" * 16), ("x" * 16_000, "y" * 9_000, "")
    for _ in range(4):
        with OtherProcess(board.fileno()) as other:
            other.do(f"{IMPORT}; board = Scoreboard.from_fd({board.fileno()}); slot = board.take_slot(2, 'server')")
            other.begin(
                "while True:\n"
                f"    for state, text in zip({states!r}, {texts!r}):\n"
                "        slot.set_state(state); slot.update(requests=2**40)\n"
                "        number = board.begin_attempt(2); board.attempt_stage(number, state)\n"
                "        board.end_attempt(number, False, text=text)"
            )
            enough = board.attempt_counter + 200
            while board.attempt_counter < enough:
                for view in board.slots():
                    assert view.state in states
                    assert view.requests in (0, 2**40)
                assert board.last_failure()[1] in texts
                for attempt in board.attempts():
                    assert attempt.stage in ("starting", *states)
            other.kill()
        assert board.slots() == []
    board.close()
