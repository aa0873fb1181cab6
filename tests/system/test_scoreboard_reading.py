"""The scoreboard as commands read it: how they find it, that they only read, and how restarts went."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswap.errors import NoSuchServer
from hotswap.scoreboard import Scoreboard, ScoreboardError, layout, list_servers
from tests.live import starts_processes
from tests.processes import descendants
from tests.system import namespaces
from tests.system.boards import IMPORT, successor
from tests.system.other_process import OtherProcess


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Scoreboard]:
    made = Scoreboard.create(str(tmp_path), "127.0.0.1:5000")
    yield made
    made.close()


# Finding


@starts_processes
def test_commands_only_read(board: Scoreboard) -> None:
    """A board that was opened for reading refuses to write."""
    with successor(board) as other:
        assert board.path
        for reader in (Scoreboard.open_path(board.path), Scoreboard.of_pid(other.pid)):
            with pytest.raises(ScoreboardError, match="reading only"):
                reader.take_slot(1, "server")
            with pytest.raises(ScoreboardError, match="reading only"):
                reader.begin_attempt(2)
            with pytest.raises(ScoreboardError, match="reading only"):
                reader.rename("x")
            reader.close()


@starts_processes
def test_pid_that_is_no_server(board: Scoreboard) -> None:
    """A pid is a server only if it holds a slot: not a stranger, not one that merely has the file open."""
    with OtherProcess(board.fileno()) as bystander, OtherProcess() as stranger:
        bystander.do(f"{IMPORT}; board = Scoreboard.from_fd({board.fileno()})")
        for pid in (bystander.pid, stranger.pid, os.getpid()):
            with pytest.raises(NoSuchServer, match=f"pid {pid} is not a hotswap server"):
                Scoreboard.of_pid(pid)
        bystander.do("board.take_slot(1, 'server').set_state('booting')")
        reader = Scoreboard.of_pid(bystander.pid)
        assert reader.name == "127.0.0.1:5000"
        reader.close()
        bystander.kill()
        with pytest.raises(NoSuchServer, match=f"no process has pid {bystander.pid}"):
            Scoreboard.of_pid(bystander.pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
@starts_processes
def test_pid_of_another_user(board: Scoreboard) -> None:
    """Without the right to look, the error says so and what to do."""
    with OtherProcess() as nobody:
        nobody.do(f"{IMPORT}; os.setresuid(65534, 65534, 65534)")
        nobody.do(f"text = ''\ntry: Scoreboard.of_pid({os.getpid()})\nexcept Exception as error: text = str(error)")
        assert "permission denied" in nobody.ask("text")
        assert "as root" in nobody.ask("text")


@starts_processes
def test_board_is_found_by_pid_without_a_path(tmp_path: Path) -> None:
    """A board in memory, or one whose file was removed, is found through a process that is on it."""
    removed = Scoreboard.create(str(tmp_path), "removed")
    with successor(removed) as other:
        removed.unlink()
        assert list_servers(str(tmp_path)) == []
        reader = Scoreboard.of_pid(other.pid)
        assert (reader.name, reader.path) == ("removed", None)
        reader.close()
    removed.close()


@pytest.mark.parametrize("content", [b"", b"HOTSWAP1", b"\xff" * 110592, b"HOTSWAP1\x02\0\0\0" + bytes(110580)])
def test_path_that_is_no_board(tmp_path: Path, content: bytes) -> None:
    """Garbage, an empty file or another layout is an error sentence, in a search it is passed over."""
    path = tmp_path / "x.board"
    path.write_bytes(content)
    with pytest.raises(NoSuchServer, match="no server at"):
        Scoreboard.open_path(str(path))
    assert list_servers(str(tmp_path)) == []


def test_path_that_cannot_be_a_board(tmp_path: Path) -> None:
    """A missing file, a directory, a FIFO or a device is an error sentence, and none of them is opened."""
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "missing", tmp_path, tmp_path / "fifo", Path("/dev/null")):
        with pytest.raises(NoSuchServer, match="no server at"):
            Scoreboard.open_path(str(path))


@starts_processes
def test_readers_survive_a_file_that_shrinks(tmp_path: Path) -> None:
    """A command's board whose file is cut while it is open reads as empty; it does not kill the command."""
    with OtherProcess() as server:
        server.do(f"{IMPORT}; board = Scoreboard.create({str(tmp_path)!r}, 'x')")
        server.do("board.take_slot(1, 'server').set_state('serving')")
        (reader,) = list_servers(str(tmp_path))
        assert reader.alive(server.pid)
        os.truncate(tmp_path / "x.board", 100)
        assert reader.slots() == []
        assert reader.attempts() == []
        assert reader.name == ""
        assert reader.last_failure() == (0, "")
        reader.close()


@starts_processes
def test_a_board_that_is_renamed_meanwhile(tmp_path: Path) -> None:
    """A deploy may rename it at any moment: neither its own processes nor commands take it for gone."""
    board = Scoreboard.create(str(tmp_path), "a")
    with successor(board) as other:
        other.do("import itertools, threading; numbers = itertools.count(); go_on = True")
        other.do("def rename():\n    while go_on: board.rename(f'{next(numbers)}')")
        other.do("renaming = threading.Thread(target=rename, daemon=True); renaming.start()")
        for _ in range(2000):
            assert board.path
            (found,) = list_servers(str(tmp_path))
            found.close()
        other.do("go_on = False; renaming.join()")
        assert other.ask("next(numbers)") > 100
    board.unlink()
    assert board.path is None
    board.close()


@starts_processes
def test_list_servers(tmp_path: Path) -> None:
    """Every running server of the directory is listed once, the dead are not."""
    with OtherProcess() as one, OtherProcess() as two, OtherProcess() as dead:
        for process, name in ((one, "one"), (two, "two"), (dead, "dead")):
            process.do(f"{IMPORT}; board = Scoreboard.create({str(tmp_path)!r}, {name!r})")
            process.do("board.take_slot(1, 'server').set_state('serving')")
        os.link(tmp_path / "one.board", tmp_path / "again.board")
        dead.kill()
        found = list_servers(str(tmp_path))
        assert sorted(board.name for board in found) == ["one", "two"]
        for board in found:
            board.close()


@starts_processes
def test_server_in_a_container(tmp_path: Path) -> None:
    """A command outside a pid namespace sees the pids there; a process inside does not see those outside."""
    outside = Scoreboard.create(str(tmp_path), "outside")
    with OtherProcess(outside.fileno(), within=namespaces.pid_namespace()) as inside:
        inside.do(f"{IMPORT}; board = Scoreboard.create({str(tmp_path)!r}, 'inside')")
        inside.do("board.take_slot(1, 'server').set_state('serving')")
        assert inside.ask("os.getpid()") == 1
        (reader,) = list_servers(str(tmp_path))
        (view,) = reader.slots()
        assert view.recorded_pid == 1
        assert view.pid in [process.pid for process in descendants(inside.pid)]
        assert Scoreboard.of_pid(view.pid).name == "inside"
        reader.close()
        outside.take_slot(1, "server").set_state("serving")
        inside.do(f"shared = Scoreboard.from_fd({outside.fileno()})")
        assert inside.ask("shared.slots()") == []
        inside.do("shared.take_slot(1, 'worker').set_state('serving')")
        assert [(view.pid == os.getpid(), view.role) for view in outside.slots()] == [
            (True, "server"),
            (False, "worker"),
        ]
    outside.close()


# Attempts


def test_attempt_that_succeeds(board: Scoreboard) -> None:
    """An attempt shows its stages, then outcome, successor and time."""
    assert board.attempt_counter == 0
    assert board.attempts() == []
    before = time.monotonic_ns()
    number = board.begin_attempt(2)
    (attempt,) = board.attempts()
    assert (attempt.number, attempt.stage, attempt.outcome, attempt.took) == (1, "starting", "", 0.0)
    assert before <= attempt.began_ns <= time.monotonic_ns()
    assert attempt.by == os.getpid()
    board.attempt_pid(number, 4711)
    board.attempt_stage(number, "importing")
    board.end_attempt(number, True, 4711, 2)
    (attempt,) = board.attempts()
    assert (attempt.outcome, attempt.pid, attempt.generation, attempt.stage) == ("ok", 4711, 2, "importing")
    assert attempt.took == (attempt.ended_ns - attempt.began_ns) / 1e9 > 0
    assert board.attempt_counter == number
    assert board.last_failure() == (0, "")


def test_failure_keeps_its_text(board: Scoreboard) -> None:
    """The last failure's text stays through later successes, until another failure."""
    first = board.begin_attempt(2)
    board.end_attempt(first, False, text="SyntaxError: é\udc80")
    board.end_attempt(board.begin_attempt(2), True, 1, 2)
    assert board.last_failure() == (first, "SyntaxError: é\\udc80")
    third = board.begin_attempt(3)
    board.end_attempt(third, False, 12, text="")
    assert board.last_failure() == (third, "")
    assert [attempt.outcome for attempt in board.attempts()] == ["failed", "ok", "failed"]
    assert [attempt.pid for attempt in board.attempts()] == [0, 1, 12]


def test_long_failure_keeps_its_end(board: Scoreboard) -> None:
    """16 KiB of any letters are kept whole; of more the end, because there a traceback says what it was."""
    whole = "😀" * 16 * 1024 + "ZeroDivisionError"
    board.end_attempt(board.begin_attempt(2), False, text=whole)
    assert board.last_failure() == (1, whole)
    longer = "ä" * 40_000 + "ZeroDivisionError"
    board.end_attempt(board.begin_attempt(2), False, text=longer)
    _, kept = board.last_failure()
    assert longer.endswith(kept)
    assert layout.LONG_FAILURE_BYTES - 4 < len(kept.encode()) <= layout.LONG_FAILURE_BYTES


def test_failure_of_an_older_release(board: Scoreboard) -> None:
    """It writes, at the one place that it knows, the end of the text; what a newer release has written before at the
    other is of another failure, also if the attempt has the same number, as on a board of two servers."""
    number = board.begin_attempt(2)
    board.end_attempt(number, False, text="of the newer one")
    for at, text in ((number + 1, b"of the older one"), (number, b"of the older one")):
        layout.FAILURE.write(board._writable(), layout.FAILURE_AT, at.to_bytes(8, "little") + text)
        assert board.last_failure() == (at, text.decode())


def test_ring_of_attempts(board: Scoreboard) -> None:
    """The last sixteen attempts are kept; what is said of an older one changes nothing."""
    for generation in range(2, 42):
        board.begin_attempt(generation)
    assert [attempt.number for attempt in board.attempts()] == list(range(25, 41))
    before = board.attempts()
    board.attempt_stage(9, "late")
    board.end_attempt(9, True)
    assert board.attempts() == before


@starts_processes
def test_command_sees_an_attempt_of_another_process(board: Scoreboard) -> None:
    """Attempts and failure texts written by one process are read by another as they are."""
    with successor(board) as other:
        other.do("n = board.begin_attempt(3); board.end_attempt(n, False, text='no module named x')")
        reader = Scoreboard.of_pid(other.pid)
        (attempt,) = reader.attempts()
        assert (attempt.by, attempt.outcome) == (other.pid, "failed")
        assert reader.last_failure() == (attempt.number, "no module named x")
        reader.close()
