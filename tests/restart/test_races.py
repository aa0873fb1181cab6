"""Deaths and stops around the swap, in the order in which they are hardest: one version serves, or none is left."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.asking import connect, read_answer, request
from tests.commanding import hotswap
from tests.harness import Program
from tests.processes import descendants, descriptors
from tests.restart.gates import child_of, open_gate, refused, standing_still, wait_at


def test_a_successor_that_is_dead_before_its_sigterm_is_read(program: Program) -> None:
    """Its SIGTERM is not the operator's: the predecessor, which finds a signal and a death at once, serves on."""
    path = program.folder / "pid"
    program.start(pidfile=str(path))
    program.deploy(below=["gates.before_ready", "faults.dies_when_ready"])
    program.hup()
    wait_at(program, "before ready of 2")
    successor = child_of(program, program.pid)
    with standing_still(program, program.pid):
        open_gate(program, "before ready of 2")
        program.wait_gone(successor)
    program.wait_for("restart failed, generation 1 serves on: ")
    assert program.get("/").headers["x-generation"] == "1"
    assert int(path.read_text()) == program.pid


def test_a_predecessor_that_wakes_up_after_two_restarts(program: Program) -> None:
    """It retires to the one that serves now, and takes none of its things: pid file, scoreboard, connections, path."""
    path, sock = program.folder / "pid", program.folder / "s.sock"
    program.start(below="gates.before_ready", address=f"unix:{sock}", pidfile=str(path))
    with connect(program.address) as client:
        client.sendall(request("/echo/x"))
        assert read_answer(client).headers["x-generation"] == "1"
        program.hup()
        wait_at(program, "before ready of 2")
        with standing_still(program, program.pid):
            open_gate(program, "before ready of 2")
            open_gate(program, "before ready of 3")
            second = program.wait_generation(2)
            program.send(signal.SIGHUP, second)
            third = program.wait_generation(3)
            program.wait_gone(second)
        program.wait_gone(program.pid)
        client.sendall(request("/echo/x"))
        assert read_answer(client).headers["x-generation"] == "3"
    assert program.get("/").headers["x-generation"] == "3"
    assert int(path.read_text()) == third
    assert hotswap(program, "status", str(sock.parent / "pid")).returncode == 0
    assert f"gen=1 pid={program.pid} retired" in program.text()


def test_a_successor_that_dies_while_its_own_successor_boots(program: Program) -> None:
    """The first generation serves again meanwhile, and leaves when the third serves: two versions for ever are none."""
    path = program.folder / "pid"
    program.start(pidfile=str(path), below="gates.before_ready")
    open_gate(program, "before ready of 2")
    program.hup()
    program.wait_for("generation 2 .* serves: retiring")
    second = program.serving_pid
    # Not to run out of the time in which it can take the listeners back.
    with standing_still(program, program.pid):
        program.hup()
        wait_at(program, "before ready of 3")
        program.send(signal.SIGKILL, second)
        program.wait_gone(second)
    program.wait_for("generation 1 serves again")
    assert program.get("/").headers["x-generation"] == "1"
    with connect(program.address) as client:
        client.sendall(request("/echo/x"))
        assert read_answer(client).headers["x-generation"] == "1"
        open_gate(program, "before ready of 3")
        third = program.wait_generation(3)
        program.wait_for("gen=1 .*a younger generation serves")
        program.wait_gone(program.pid)
        client.sendall(request("/echo/x"))
        assert read_answer(client).headers["x-generation"] == "3"
    assert int(path.read_text()) == third
    program.deploy(below=[])
    assert program.restart() == 4


def test_a_successor_that_stands_still_as_soon_as_it_is_ready(program: Program) -> None:
    """The listeners are kept until it has moved: if it dies instead, the predecessor serves again."""
    program.start(below="faults.stops_when_ready")
    listener = descriptors(program.pid)[3]
    with connect(program.address) as client:
        client.sendall(request("/slow/3"))
        program.wait_for("slow 3 began")
        program.restart()
        # Longer than a successor that moves has to prove itself.
        assert b"waited 3 " in read_answer(client).body
    assert descriptors(program.pid)[3] == listener
    program.send(signal.SIGKILL)
    program.wait_for("generation 1 serves again")
    assert program.get("/").headers["x-generation"] == "1"


def test_a_successor_that_stands_still_for_a_while(program: Program) -> None:
    """When it moves again its predecessor may go, and no client was refused meanwhile."""
    program.start(below="faults.stops_when_ready")
    program.restart()
    with connect(program.address) as client:
        client.sendall(request("/echo/x"))
        program.send(signal.SIGCONT)
        assert read_answer(client).headers["x-generation"] == "2"
    program.wait_gone(program.pid)
    assert program.get("/").headers["x-generation"] == "2"


@pytest.mark.parametrize("way", ["faults.reaps_every_child", "faults.ignores_sigchld"])
def test_a_program_that_reaps_every_child(program: Program, way: str) -> None:
    """A killed successor has no exit status then; it was not told to stop for all that, and is replaced."""
    program.start(below=way)
    program.hup()
    program.wait_for("serves: retiring")
    program.send(signal.SIGKILL)
    program.wait_for("generation 1 serves again")
    assert program.get("/").headers["x-generation"] == "1"


@pytest.mark.parametrize("below", [[], "faults.reaps_every_child"], ids=["status 3", "no status"])
def test_a_stop_just_after_the_swap(program: Program, below: Any) -> None:
    """It is a stop, whatever the program around serve() makes of its exit status: the predecessor does not undo it."""
    program.start(below=below)
    program.deploy(below=[], last=("boots.exits", 3))
    program.hup()
    program.wait_for("serves: retiring")
    successor = program.serving_pid
    # Else it would see the successor drain, and know.
    with standing_still(program, program.pid):
        program.send(signal.SIGTERM, successor)
        program.wait_gone(successor)
    program.wait_gone(program.pid)
    assert "serves again" not in program.text()
    assert refused(program)


def test_a_successor_that_cannot_be_started_at_all(program: Program) -> None:
    """Whatever raises there: the failure is told, and the next SIGHUP is a restart again."""
    program.start(below="faults.allows_no_subprocess")
    program.hup()
    program.wait_for("restart failed, .*no subprocesses here")
    assert program.get("/").headers["x-generation"] == "1"
    (program.folder / "allowed").touch()
    assert program.restart() == 2


def test_a_successor_that_runs_but_cannot_be_watched(program: Program) -> None:
    """It is killed: one that booted on unseen would send its SIGTERM, and that would stop the whole server."""
    program.start(below="faults.opens_no_pidfd")
    program.hup()
    program.wait_for("restart failed, .*Too many open files")
    assert program.alive() == [program.pid]
    assert not descendants(program.pid)
    (program.folder / "allowed").touch()
    assert program.restart() == 2


def test_a_hup_for_a_successor_that_has_just_died(program: Program) -> None:
    """No process is there to pass it on to, but the one that serves again remembers it: no HUP is lost."""
    program.start()
    program.restart()
    with standing_still(program, program.pid):
        program.send(signal.SIGKILL)
        program.send(signal.SIGHUP, program.pid)
    program.wait_for("generation 1 serves again")
    program.wait_generation(3)
    assert program.get("/").status == 200
