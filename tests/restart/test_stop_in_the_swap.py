"""Between its pid in the pid file and its ready message a successor serves already: what ends one of the two then."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.commanding import hotswap
from tests.harness import Program
from tests.restart.gates import open_gate, refused, wait_at


@pytest.fixture
def pidfile(program: Program) -> Path:
    """The pid file of a program whose successor has just put its pid there, and has not said that it is ready."""
    path = program.folder / "pid"
    program.start(below="gates.pid_file_written", pidfile=str(path))
    program.hup()
    wait_at(program, "pid file written")
    assert int(path.read_text()) != program.pid
    return path


def test_it_is_killed(program: Program, pidfile: Path) -> None:
    """The predecessor serves on, and the pid file names it again."""
    program.send(signal.SIGKILL, int(pidfile.read_text()))
    program.wait_for("restart failed, generation 1 serves on: .*SIGKILL")
    assert int(pidfile.read_text()) == program.pid
    assert program.get("/").headers["x-generation"] == "1"


def test_the_server_is_stopped(program: Program, pidfile: Path) -> None:
    """Both finish what they serve, no process is killed, and nothing is left behind."""
    successor = int(pidfile.read_text())
    program.send(signal.SIGTERM, program.pid)
    program.wait_for("gen=1 .*draining: no new connections")
    open_gate(program, "pid file written")
    assert program.wait_status() == 0
    program.wait_gone(successor)
    assert f"gen=2 pid={successor} stopped" in program.text()
    assert refused(program)
    assert not pidfile.exists()
    assert hotswap(program, "status").returncode == 1


def test_the_server_is_stopped_at_once(program: Program, pidfile: Path) -> None:
    """SIGQUIT ends both by force; the pid file goes although it names the other one."""
    successor = int(pidfile.read_text())
    program.send(signal.SIGQUIT, program.pid)
    assert program.wait_status() == 0
    program.wait_gone(successor)
    assert refused(program)
    assert not pidfile.exists()
