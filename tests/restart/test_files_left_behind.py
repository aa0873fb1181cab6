"""The files of a server (unix sockets, pid file, scoreboard): each goes with the last process that needs it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.asking import get
from tests.harness import Program
from tests.restart.gates import open_gate, standing_still, wait_at


@pytest.fixture
def path(program: Program) -> Path:
    """Where the program listens."""
    return program.folder / "s.sock"


def left(program: Program) -> set[str]:
    """Sockets, pid files and what is beside them, scoreboards."""
    names = {*os.listdir(program.folder), *os.listdir(program.folder / "run" / "hotswap")}
    return {name for name in names if name.endswith((".sock", ".pid", ".tmp", ".board", ".new"))}


class TestSigquit:
    """SIGQUIT stops at once, and takes the files along."""

    def test_serving(self, program: Program, path: Path) -> None:
        """The server alone."""
        program.start(address=f"unix:{path}", pidfile="app.pid")
        assert program.stop(signal.SIGQUIT) == 0
        assert not left(program)

    def test_restarting(self, program: Program, path: Path) -> None:
        """And a successor that boots."""
        program.start(below="gates.importing", address=f"unix:{path}", pidfile="app.pid")
        program.hup()
        wait_at(program, "import of 2")
        program.send(signal.SIGQUIT, program.pid)
        assert program.wait_status() == 0
        assert not left(program)

    def test_handing_over(self, program: Program, path: Path) -> None:
        """And a successor that is ready: its message and its SIGTERM are there, and the SIGQUIT is read before that."""
        program.start(below="gates.before_ready", address=f"unix:{path}", pidfile="app.pid")
        program.hup()
        wait_at(program, "before ready of 2")
        with standing_still(program, program.pid):
            open_gate(program, "before ready of 2")
            successor = program.wait_generation(2)
            program.wait_for("2 has sent its SIGTERM")
            program.send(signal.SIGQUIT, program.pid)
        assert program.wait_status() == 0
        program.wait_gone(successor)
        assert "SIGQUIT: stopping at once, the successor too" in program.text()
        assert not left(program)


@pytest.mark.parametrize("workers", [0, 1])
class TestFailedBoot:
    """A boot that fails leaves nothing, and touches nothing that the running server needs."""

    def test_of_the_first_generation(self, program: Program, path: Path, workers: int) -> None:
        """Its check fails, when it listens already."""
        program.start(ready=False, address=f"unix:{path}", pidfile="app.pid", workers=workers, check="/fail/x")
        assert program.wait_status() == 1
        assert "the check of /fail/x failed" in program.text()
        assert not left(program)

    def test_as_late_as_can_be(self, program: Program, path: Path, workers: int) -> None:
        """Its pid file is prepared already."""
        program.start(
            below=("faults.fails_at", "begin"), ready=False, address=f"unix:{path}", pidfile="app.pid", workers=workers
        )
        assert program.wait_status() == 1
        assert "no database" in program.text()
        assert not left(program)

    def test_of_a_successor(self, program: Program, path: Path, workers: int) -> None:
        """What it was passed stays, what it has made itself goes."""
        program.start(address=f"unix:{path}", pidfile="app.pid", workers=workers)
        program.deploy(
            below=("faults.fails_at", "begin"), address=[f"unix:{path}", f"unix:{path}.more.sock"], pidfile="other.pid"
        )
        program.hup()
        program.wait_for("restart failed, generation 1 serves on")
        assert left(program) == {path.name, "app.pid", *os.listdir(program.folder / "run" / "hotswap")}
        assert program.get("/").headers["x-generation"] == "1"
        assert program.stop() == 0
        assert not left(program)


def test_an_address_that_a_deploy_drops(program: Program, path: Path) -> None:
    """Its file goes with the last process that listens there; the files of the others stay."""
    other = program.folder / "other.sock"
    program.start(address=["127.0.0.1:0", f"unix:{path}", f"unix:{other}"])
    program.deploy(address=["127.0.0.1:0", f"unix:{other}"])
    program.restart()
    program.settle()
    assert not path.exists()
    assert get(f"unix:{other}", "/").headers["x-generation"] == "2"
    assert program.stop() == 0
    assert not left(program)


def test_an_address_that_a_deploy_drops_and_no_time(program: Program, path: Path) -> None:
    """Also where the process that listens there is ended by force, before it could let go of it."""
    program.start(address=["127.0.0.1:0", f"unix:{path}"], below="gates.retiring")
    program.deploy(address="127.0.0.1:0")
    program.hup()
    wait_at(program, "retiring")
    program.send(signal.SIGQUIT, program.pid)
    open_gate(program, "retiring")
    assert program.wait_status() == 0
    assert "SIGQUIT while retiring" in program.text()
    assert not path.exists()


@pytest.mark.parametrize("changed", ["other.pid", None])
def test_a_pid_file_that_a_deploy_changes(program: Program, changed: str | None) -> None:
    """The old one goes as soon as the successor serves: retiring may take long."""
    program.start(pidfile="app.pid", below="gates.retiring")
    program.deploy(pidfile=changed)
    program.restart()
    wait_at(program, "retiring")
    assert not (program.folder / "app.pid").exists()
    if changed:
        assert (program.folder / changed).read_text() == f"{program.serving_pid}\n"
    open_gate(program, "retiring")
    program.settle()
    assert program.stop() == 0
    assert not left(program)


def test_a_changed_pid_file_and_a_lost_successor(program: Program) -> None:
    """The generation that serves again writes the old one again."""
    program.start(pidfile="app.pid", below="gates.retiring")
    program.deploy(pidfile="other.pid")
    program.restart()
    wait_at(program, "retiring")
    program.send(signal.SIGKILL)
    open_gate(program, "retiring")
    program.wait_for("generation 1 serves again")
    program.get("/")
    assert (program.folder / "app.pid").read_text() == f"{program.pid}\n"


def test_a_forked_child_that_exits(program: Program, path: Path) -> None:
    """It leaves through the frames of serve(), and must not give back what is its parent's."""
    program.start(below="forks.exits_when_ready", address=f"unix:{path}", pidfile="app.pid")
    program.wait_for("the child is gone")
    assert program.get("/").headers["x-generation"] == "1"
    assert {path.name, "app.pid"} < left(program)
    program.restart()
    assert program.get("/").headers["x-generation"] == "2"


def test_a_callback_that_exits(program: Program, path: Path) -> None:
    """A server without a successor takes its files along, whatever ends it."""
    program.start(below="faults.restarting_exits", address=f"unix:{path}", pidfile="app.pid")
    program.hup()
    assert program.wait_status() == 7
    assert not left(program)
