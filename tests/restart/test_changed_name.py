"""A deploy that changes what the server is called, `name` or its first address: commands know it by what serves."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.commanding import hotswap
from tests.harness import Program
from tests.restart.gates import open_gate, wait_at


def known(program: Program) -> str:
    """The name of the program's server, which its scoreboard's file has, too."""
    (server,) = json.loads(hotswap(program, "status", "--json").stdout)
    (file,) = os.listdir(program.folder / "run" / "hotswap")
    assert file == os.path.basename(server["path"]) == server["name"].replace("/", "%2F") + ".board"
    return str(server["name"])


def test_a_changed_name(program: Program) -> None:
    """The next command finds the server by its new name, and no longer by the old one."""
    program.start(name="shop")
    program.deploy(name="store")
    assert hotswap(program, "restart", "shop").returncode == 0
    assert known(program) == "store"
    assert hotswap(program, "status", "shop").returncode == 1
    command = hotswap(program, "restart", "store")
    assert command.returncode == 0, command.stderr
    assert "generation 3" in command.stdout
    assert hotswap(program, "stop", "store").returncode == 0
    assert not os.listdir(program.folder / "run" / "hotswap")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_changed_address(program: Program, workers: int) -> None:
    """The default is the first address: that of the version that serves."""
    old, new = (f"unix:{program.folder}/{name}.sock" for name in ("old", "new"))
    program.start(address=old, workers=workers)
    assert known(program) == old
    program.deploy(address=[new, old])
    assert hotswap(program, "restart", old).returncode == 0
    assert known(program) == new
    program.deploy(proc_name="shop")
    assert hotswap(program, "restart", new).returncode == 0
    assert known(program) == "shop"


def test_a_restart_that_fails(program: Program) -> None:
    """The server keeps the name of the version that serves on."""
    program.start(name="shop")
    program.deploy(name="store", below=("faults.fails_at", "begin"))
    assert hotswap(program, "restart", "shop").returncode == 1
    assert known(program) == "shop"


def test_a_successor_that_is_lost(program: Program) -> None:
    """So it does when that version serves again."""
    program.start(name="shop", below="gates.retiring")
    program.deploy(name="store")
    program.restart()
    wait_at(program, "retiring")
    assert known(program) == "store"
    program.send(signal.SIGKILL)
    open_gate(program, "retiring")
    program.wait_for("restart failed, generation 1 serves on")
    assert known(program) == "shop"


def test_a_changed_run_dir(program: Program, tmp_path: Path) -> None:
    """The scoreboard is shared by all generations and stays where it is; the log says so."""
    program.start(run_dir=None)
    program.restart()
    assert "run_dir has no effect" not in program.text()
    program.deploy(run_dir=str(tmp_path / "elsewhere"))
    program.restart()
    where = program.folder / "run" / "hotswap"
    program.wait_for(f"WARNING. gen=3 .*run_dir has no effect until this server is stopped and started: .* in {where}")
    assert known(program) == program.address
