"""The link that stands for a board whose file was deleted: where it is put, who follows it, and when it goes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hotswap.scoreboard import Scoreboard, list_servers
from tests.live import starts_processes
from tests.system.boards import IMPORT
from tests.system.other_process import OtherProcess

pytestmark = starts_processes


@pytest.fixture
def nameless(tmp_path: Path) -> OtherProcess:
    """A process that serves as "shop", whose board has lost its file and has a link instead."""
    process = OtherProcess()
    process.do(f"{IMPORT}\nboard = Scoreboard.create({str(tmp_path)!r}, 'shop')")
    process.do("board.take_slot(1, 'server').set_state('serving'); os.unlink(board.path)")
    process.do(f"assert board.keep_path({str(tmp_path)!r}) == '{tmp_path}/shop.board'")
    return process


def names(run_dir: Path) -> list[str]:
    """Which servers a command finds there."""
    boards = list_servers(str(run_dir))
    found = sorted(board.name for board in boards)
    for board in boards:
        board.close()
    return found


def test_a_board_with_a_file_needs_none(tmp_path: Path) -> None:
    """It is only shown to cleaners as a file that is in use."""
    board = Scoreboard.create(str(tmp_path), "shop")
    os.utime(tmp_path / "shop.board", (0, 0))
    assert board.keep_path(str(tmp_path)) == ""
    assert (tmp_path / "shop.board").stat().st_mtime > 0
    board.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_program_that_has_become_another_user(tmp_path: Path) -> None:
    """It may change nothing any more where its board lies, and serves on."""
    with OtherProcess() as process:
        process.do(f"{IMPORT}\nboard = Scoreboard.create({str(tmp_path)!r}, 'shop')")
        process.do("os.setresuid(1234, 1234, 1234)")
        process.do(f"assert board.keep_path({str(tmp_path)!r}) == ''")
        (tmp_path / "shop.board").unlink()
        process.do(f"assert board.keep_path({str(tmp_path)!r}) == ''")
    assert os.listdir(tmp_path) == []


def test_it_is_found_once(tmp_path: Path, nameless: OtherProcess) -> None:
    """However often it is put up."""
    with nameless:
        assert names(tmp_path) == ["shop"]
        nameless.do(f"assert board.keep_path({str(tmp_path)!r}) == ''")
        assert os.listdir(tmp_path) == ["shop.board"]
        nameless.do("board.unlink()")
        assert os.listdir(tmp_path) == []


def test_another_server_of_that_name(tmp_path: Path, nameless: OtherProcess) -> None:
    """Each has a name; and a link takes no living server's."""
    with nameless:
        board = Scoreboard.create(str(tmp_path), "shop")
        board.take_slot(1, "server").set_state("serving")
        assert sorted(os.listdir(tmp_path)) == ["shop.board", "shop~2.board"]
        assert names(tmp_path) == ["shop", "shop"]
        nameless.do(f"os.unlink('{tmp_path}/shop.board'); os.symlink('/nowhere', '{tmp_path}/shop.board')")
        nameless.do(f"assert board.keep_path({str(tmp_path)!r}) == '{tmp_path}/shop~3.board'")
        assert board.path == f"{tmp_path}/shop~2.board"
        board.close()


def test_a_dead_one_is_replaced_and_swept(tmp_path: Path, nameless: OtherProcess) -> None:
    """One that leads to a process that has ended, or to what is no board (the pid is another process's by now)."""
    with nameless:
        pass
    os.symlink(f"/proc/{os.getpid()}/fd/0", tmp_path / "old.board")
    os.symlink("/etc/passwd", tmp_path / "strange.board")
    for name in ("old.board", "strange.board"):
        os.utime(tmp_path / name, (0, 0), follow_symlinks=False)
    assert names(tmp_path) == []
    board = Scoreboard.create(str(tmp_path), "shop")
    assert board.path == f"{tmp_path}/shop.board"
    assert sorted(os.listdir(tmp_path)) == ["shop.board", "strange.board"]
    board.close()


def test_no_other_link_is_followed(tmp_path: Path) -> None:
    """Not even to a board."""
    run_dir = tmp_path / "run"
    run_dir.mkdir(mode=0o700)
    with OtherProcess() as process:
        process.do(f"{IMPORT}\nboard = Scoreboard.create({str(tmp_path / 'other')!r}, 'shop')")
        process.do("board.take_slot(1, 'server').set_state('serving')")
        for number, led in enumerate([f"{tmp_path}/other/shop.board", "/proc/self/fd/3", "/proc/1/fd/../fd/3"]):
            os.symlink(led, run_dir / f"{number}.board")
        assert names(run_dir) == []
