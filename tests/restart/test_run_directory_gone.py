"""The run directory is deleted while a server runs, as cleaners and logouts do: the server is found again."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.commanding import hotswap
from tests.harness import Program


@pytest.fixture
def run_dir(program: Program) -> Path:
    """Where the scoreboard lies."""
    return program.folder / "run" / "hotswap"


def leads_to(run_dir: Path, pid: int) -> bool:
    """Whether the one name there leads to that process."""
    (name,) = os.listdir(run_dir)
    return os.readlink(run_dir / name).startswith(f"/proc/{pid}/fd/")


@pytest.mark.parametrize("gone", ["directory", "file"])
def test_the_next_generation_makes_it_anew(program: Program, run_dir: Path, gone: str) -> None:
    """Under the same name, which goes from generation to generation, and with the server."""
    program.start(name="shop")
    assert os.listdir(run_dir) == ["shop.board"]
    shutil.rmtree(run_dir) if gone == "directory" else (run_dir / "shop.board").unlink()
    program.restart()
    program.wait_for(rf"gen=2 .*the scoreboard has no file any more: {run_dir}/shop.board leads to it")
    assert os.listdir(run_dir) == ["shop.board"]
    assert leads_to(run_dir, program.serving_pid)
    assert hotswap(program, "status", "shop").stdout.startswith("shop: ")
    done = hotswap(program, "restart", "shop")
    assert "generation 3" in done.stdout, done.stderr
    program.settle()
    assert leads_to(run_dir, program.serving_pid)
    done = hotswap(program, "stop", "shop")
    assert done.returncode == 0, done.stderr
    assert os.listdir(run_dir) == []


def test_a_deploy_changes_the_name(program: Program, run_dir: Path) -> None:
    """The old name goes."""
    program.start(name="shop")
    shutil.rmtree(run_dir)
    program.restart()
    program.deploy(name="store")
    program.restart()
    assert os.listdir(run_dir) == ["store.board"]


def test_the_serving_generation_does_it_without_a_restart(program: Program, run_dir: Path) -> None:
    """It looks every minute; here more often."""
    program.start(name="shop", below="faults.looks_often_for_its_path")
    shutil.rmtree(run_dir)
    program.wait_for("the scoreboard has no file any more")
    assert hotswap(program, "restart", "shop").returncode == 0
    program.settle()
    mark = program.mark()  # generation 2 has said so once: generation 1's file was a link to a descriptor
    shutil.rmtree(run_dir)
    program.wait_for("gen=2 .*the scoreboard has no file any more", since=mark)
    assert hotswap(program, "stop", "shop").returncode == 0


def test_a_restart_that_fails_makes_it_anew(program: Program, run_dir: Path) -> None:
    """A successor that had to stop may have taken it along; and whoever deployed asks for the reason."""
    program.start(name="shop")
    shutil.rmtree(run_dir)
    program.deploy(text="import nonsense")
    program.hup()
    program.wait_for("restart failed, generation 1 serves on")
    assert "nonsense" in hotswap(program, "status", "shop").stdout
    assert leads_to(run_dir, program.pid)


def test_a_directory_that_cannot_be_made(program: Program, run_dir: Path) -> None:
    """The server serves on and is restarted, and its pid leads commands to it."""
    program.start(name="shop")
    shutil.rmtree(run_dir)
    run_dir.write_text("in its place")
    program.restart()
    done = hotswap(program, "status", str(program.serving_pid))
    assert done.stdout.startswith("shop: "), done.stderr


def test_a_killed_server_leaves_a_name_that_the_next_one_takes(program: Program, run_dir: Path) -> None:
    """A link to a process that has ended is no server, and no hindrance."""
    program.start(name="shop")
    shutil.rmtree(run_dir)
    program.restart()
    pid = program.settle()
    program.send(signal.SIGKILL, pid)
    program.wait_gone(pid)
    assert hotswap(program, "status").returncode == 1
    program.start(name="shop")
    assert os.listdir(run_dir) == ["shop.board"]
    assert not (run_dir / "shop.board").is_symlink()
    assert hotswap(program, "status", "shop").returncode == 0
