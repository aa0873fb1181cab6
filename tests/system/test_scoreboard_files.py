"""A board's file: its name, whose it is, and what happens where none can be."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotswap.scoreboard import Scoreboard, files, list_servers
from tests.live import starts_processes
from tests.system import namespaces
from tests.system.boards import IMPORT
from tests.system.other_process import OtherProcess


def make(directory: Path, name: str) -> Scoreboard:
    return Scoreboard.create(str(directory), name)


def test_file_is_named_after_the_server(tmp_path: Path) -> None:
    """The file has the server's name, is private to its user, and complete from the first moment."""
    board = make(tmp_path, "127.0.0.1:5000")
    assert board.path == f"{tmp_path}/127.0.0.1:5000.board"
    assert board.name == "127.0.0.1:5000"
    assert board.why_no_path == ""
    assert board.first_pid == os.getpid()
    assert time.time() - 60 < board.created <= time.time()
    status = os.stat(board.path)
    assert status.st_mode & 0o777 == 0o600
    assert status.st_blocks * 512 >= status.st_size == 323584
    assert os.listdir(tmp_path) == ["127.0.0.1:5000.board"]
    board.close()


@starts_processes
def test_umask_does_not_matter(tmp_path: Path) -> None:
    """An odd umask makes the file no wider."""
    with OtherProcess(before=lambda: os.umask(0)) as other:
        other.do(f"{IMPORT}\nboard = Scoreboard.create({str(tmp_path)!r}, 'x')")
        assert os.stat(tmp_path / "x.board").st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("unix:/run/x.sock", "unix:%2Frun%2Fx.sock.board"),
        ("[::1]:80", "[::1]:80.board"),
        ("unix:@abstract", "unix:@abstract.board"),
        ("..", "%2E..board"),
        ("", ".board"),
        ("größe\n", "gr%C3%B6%C3%9Fe%0A.board"),
    ],
)
def test_names_become_file_names(tmp_path: Path, name: str, expected: str) -> None:
    """Whatever stands in a name, the file lies in the run directory, and the board knows the very name."""
    board = make(tmp_path, name)
    assert os.listdir(tmp_path) == [expected]
    assert board.name == name
    board.close()


@given(st.text(max_size=400))
def test_any_name_is_a_file_name(name: str) -> None:
    """No name leads out of the directory, is too long for it, or is hidden among the temporary ones."""
    first, second, *_ = files.file_names(name)
    assert first != second
    for file_name in (first, second):
        assert "/" not in file_name
        assert len(file_name.encode()) < 255
        assert file_name.endswith(".board")


@given(st.lists(st.text(max_size=5) | st.text("a/%~2", max_size=300), unique=True, max_size=8))
def test_different_names_have_different_files(names: list[str]) -> None:
    """Two names never share a first file name, long ones neither."""
    assert len({next(files.file_names(name)) for name in names}) == len(names)


@starts_processes
def test_living_server_keeps_its_file(tmp_path: Path) -> None:
    """A second server of the same name, started by mistake, does not take the first one's place."""
    with OtherProcess() as first:
        first.do(f"{IMPORT}\nboard = Scoreboard.create({str(tmp_path)!r}, 'site')")
        second = make(tmp_path, "site")
        second.take_slot(1, "server").set_state("serving")
        assert first.ask("board.path") == f"{tmp_path}/site.board"
        assert second.path == f"{tmp_path}/site~2.board"
        assert second.name == "site"
        first.kill()
        third = make(tmp_path, "site")
        assert third.path == f"{tmp_path}/site.board"
        third.close()
        second.close()


@starts_processes
def test_two_boards_of_one_process(tmp_path: Path) -> None:
    """Also in one process, whose own locks do not stop it, the second board of a name gets another file."""
    first = make(tmp_path, "site")
    slot = first.take_slot(1, "server")
    slot.set_state("serving")
    second = make(tmp_path, "site")
    assert second.path == f"{tmp_path}/site~2.board"
    second.unlink()
    second.close()
    with OtherProcess() as other:
        other.do(IMPORT)
        assert other.ask(f"[board.name for board in list_servers({str(tmp_path)!r})]") == ["site"]
    first.close()


@starts_processes
def test_rename(tmp_path: Path) -> None:
    """Name and file change together, over a dead server's file too; slots and readers stay."""
    with OtherProcess() as dead:
        dead.do(f"{IMPORT}\nboard = Scoreboard.create({str(tmp_path)!r}, '127.0.0.1:43117')")
    board = make(tmp_path, "127.0.0.1:0")
    board.take_slot(1, "server").set_state("serving")
    board.rename("127.0.0.1:43117")
    assert (board.name, board.path) == ("127.0.0.1:43117", f"{tmp_path}/127.0.0.1:43117.board")
    board.rename("127.0.0.1:43117")
    assert os.listdir(tmp_path) == ["127.0.0.1:43117.board"]
    with OtherProcess() as other:
        other.do(IMPORT)
        assert other.ask(f"[board.name for board in list_servers({str(tmp_path)!r})]") == ["127.0.0.1:43117"]
    board.close()


@starts_processes
def test_rename_to_a_living_servers_name(tmp_path: Path) -> None:
    """A rename does not displace a living server either."""
    with OtherProcess() as first:
        first.do(f"{IMPORT}\nboard = Scoreboard.create({str(tmp_path)!r}, 'site')")
        board = make(tmp_path, "other")
        board.rename("site")
        assert sorted(os.listdir(tmp_path)) == ["site.board", "site~2.board"]
        assert board.path == f"{tmp_path}/site~2.board"
        board.close()


def test_unlink_removes_only_its_own_file(tmp_path: Path) -> None:
    """Another file in the board's place is not removed; a removed one is no error."""
    board = make(tmp_path, "x")
    os.rename(tmp_path / "x.board", tmp_path / "moved")
    (tmp_path / "x.board").write_text("somebody else's")
    assert str(board.path) == f"{tmp_path}/moved"
    for _ in range(2):
        board.unlink()
        assert board.path is None
    assert os.listdir(tmp_path) == ["x.board"]
    board.close()


@starts_processes
def test_run_directory_that_vanishes(tmp_path: Path) -> None:
    """A server whose run directory is removed (a log-out removes /run/user/UID) goes on without a path."""
    directory = tmp_path / "run"
    board = make(directory, "x")
    board.take_slot(1, "server").set_state("serving")
    os.unlink(directory / "x.board")
    os.rmdir(directory)
    assert board.path is None
    board.rename("y")
    board.unlink()
    assert board.name == "y"
    with OtherProcess() as other:
        other.do(IMPORT)
        assert other.ask(f"Scoreboard.of_pid({os.getpid()}).name") == "y"
    board.close()


@pytest.mark.parametrize("kind", ["link", "directory", "fifo"])
def test_name_taken_by_something_else(tmp_path: Path, kind: str) -> None:
    """What stands under the board's name and is no file is neither followed nor replaced."""
    place, target = tmp_path / "x.board", tmp_path / "precious"
    target.write_text("precious")
    if kind == "link":
        place.symlink_to(target)
    elif kind == "directory":
        place.mkdir()
    else:
        os.mkfifo(place)
    board = make(tmp_path, "x")
    assert board.path == f"{tmp_path}/x~2.board"
    assert target.read_text() == "precious"
    board.close()


@starts_processes
def test_dead_files_are_swept(tmp_path: Path) -> None:
    """A new server removes what killed ones left, after a minute; living boards and foreign files stay."""
    with OtherProcess() as dead:
        for name in ("dead", "fresh"):
            dead.do(f"{IMPORT}\n{name} = Scoreboard.create({str(tmp_path)!r}, {name!r})")
    (tmp_path / "77-1.new").write_bytes(b"half a board")
    (tmp_path / "pid").write_text("not ours")
    with OtherProcess() as alive:
        alive.do(f"{IMPORT}\nboard = Scoreboard.create({str(tmp_path)!r}, 'alive')")
        for name in ("dead.board", "77-1.new", "alive.board", "pid"):
            os.utime(tmp_path / name, (0, 0))
        board = make(tmp_path, "new")
        assert sorted(os.listdir(tmp_path)) == ["alive.board", "fresh.board", "new.board", "pid"]
        board.close()


def test_hundred_servers_of_one_name(tmp_path: Path) -> None:
    """More servers of one name than file names: the last one lives without a path and says why."""
    boards = [make(tmp_path, "x") for _ in range(100)]
    assert [board.path for board in boards[-2:]] == [f"{tmp_path}/x~99.board", None]
    assert "servers named 'x'" in boards[-1].why_no_path
    for board in boards:
        board.close()


@starts_processes
def test_two_servers_race_for_one_dead_name(tmp_path: Path) -> None:
    """Of several that start together over a dead server's file each has a file of its own, and is found."""
    for _ in range(5):
        (tmp_path / "x.board").write_bytes(b"")
        with OtherProcess() as one, OtherProcess() as two, OtherProcess() as three:
            for process in (one, two, three):
                process.do(IMPORT)
            for process in (one, two, three):
                process.begin(f"board = Scoreboard.create({str(tmp_path)!r}, 'x')")
            for process in (one, two, three):
                process.answer()
                process.do("board.take_slot(1, 'server').set_state('serving')")
            found = list_servers(str(tmp_path))
            assert sorted(pid for board in found for pid in [board.first_pid]) == sorted(
                process.pid for process in (one, two, three)
            )
            for board in found:
                assert board.path
                os.unlink(board.path)
                board.close()


@starts_processes
def test_server_started_at_any_line_of_another_ones_start(tmp_path: Path) -> None:
    """Wherever in a server's start over a dead file another one starts, each has a file of its own."""
    with OtherProcess() as other:
        other.do(
            f"{IMPORT}\n"
            "from tests.system.fault_injection import interrupted_at\n"
            "def rival(directory):\n"
            "    read, write = os.pipe()\n"
            "    child = os.fork()\n"
            "    if child:\n"
            "        rivals.append(child); os.read(read, 1); os.close(read); os.close(write); return\n"
            "    import signal\n"
            "    board = Scoreboard.create(directory, 'x')\n"
            "    board.take_slot(1, 'server').set_state('serving')\n"
            "    os.write(write, b'x'); signal.pause()\n"
            "def start(directory, line):\n"
            "    with interrupted_at(line, lambda: rival(directory)) as countdown:\n"
            "        board = Scoreboard.create(directory, 'x')\n"
            "    board.take_slot(1, 'server').set_state('serving')\n"
            "    found = list_servers(directory)\n"
            "    paths = sorted(os.path.basename(one.path) for one in found)\n"
            "    for one in found: one.close()\n"
            "    board.close()\n"
            "    for child in rivals: os.kill(child, 9); os.waitpid(child, 0)\n"
            "    rivals.clear()\n"
            "    return paths, countdown.left <= 0\n"
            "rivals = []"
        )
        line, interrupted = 0, True
        while interrupted:
            line += 1
            directory = tmp_path / str(line)
            directory.mkdir(mode=0o700)
            (directory / "x.board").write_bytes(b"")
            paths, interrupted = other.ask(f"start({str(directory)!r}, {line})")
            assert paths == ["x.board", "x~2.board"][: 1 + interrupted]
    assert line > 50


# Nowhere to write


@starts_processes
def test_full_disk(tmp_path: Path) -> None:
    """On a full disk the board lives in memory and says why; nothing is left on the disk, no SIGBUS later."""
    output = namespaces.run(
        f"""
tmpfs({str(tmp_path)!r}, "size=64k,mode=700")
board = Scoreboard.create({str(tmp_path)!r}, "x")
print(board.path, os.listdir({str(tmp_path)!r}), board.name)
print(board.why_no_path)
slot = board.take_slot(1, "server")
slot.set_state("serving")
board.end_attempt(board.begin_attempt(2), False, text="x" * 20000)
print(board.alive(os.getpid()), len(board.last_failure()[1]))
"""
    )
    first, why, last = output.splitlines()
    assert first == "None [] x"
    assert "No space left on device" in why
    assert last == "True 20000"


@starts_processes
def test_no_directory_at_all() -> None:
    """Where nothing can be written the board lives in memory, and is found by the pid of a process on it."""
    output = namespaces.run(
        """
for path in ("/tmp", "/run"):
    tmpfs(path, "ro")
board = Scoreboard.create(None, "x")
board.take_slot(1, "server").set_state("serving")
print(board.path, flush=True)
print(board.why_no_path, flush=True)
child = os.fork()
if not child:
    board.close()
    found = Scoreboard.of_pid(os.getppid())
    print(found.name, found.path, found.alive(os.getppid()), [b.name for b in list_servers()], flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    )
    path, why, found = output.splitlines()
    assert path == "None"
    assert "/run/hotswap" in why
    assert "/tmp/hotswap-0" in why
    assert "read-only" in why
    assert found == "x None True []"
