"""SIGUSR2 as gunicorn's users send it: USR2, some seconds, WINCH, then TERM or QUIT to the old process."""

from __future__ import annotations

import signal

import pytest

from tests.asking import connect, read_answer, request
from tests.harness import Program
from tests.restart.gates import child_of, open_gate, wait_at

ENDS = [signal.SIGTERM, signal.SIGQUIT]


@pytest.mark.parametrize("number", ENDS)
def test_told_to_end_before_the_successor_is_ready(program: Program, number: signal.Signals) -> None:
    """The old process serves until then, and finishes what runs: no request is cut, and both never end."""
    program.start(below="gates.before_ready")
    with connect(program.address) as client:
        client.sendall(request("/gated/go"))
        wait_at(program, "go")
        program.send(signal.SIGUSR2)
        wait_at(program, "before ready of 2")
        program.send(signal.SIGWINCH)
        program.send(number)
        program.wait_for("retiring when it is ready")
        program.send(number)
        program.wait_for("retiring as soon as the successor is ready")
        assert program.get("/").headers["x-generation"] == "1"
        open_gate(program, "before ready of 2")
        program.wait_for(r"generation 2 \(pid \d+\) serves: retiring")
        open_gate(program, "go")
        assert read_answer(client).status == 200
    assert program.wait_status() == 0
    assert "serve() returned retired" in program.text()
    assert program.get("/").headers["x-generation"] == "2"


@pytest.mark.parametrize("number", ENDS)
def test_told_to_end_when_the_successor_is_ready(program: Program, number: signal.Signals) -> None:
    """Its own SIGTERM may come later: the signal does not end it."""
    program.start(below="gates.late_sigterm")
    program.send(signal.SIGUSR2)
    program.wait_generation(2)
    wait_at(program, "late")
    program.send(number, program.pid)
    program.wait_for(r"generation 2 \(pid \d+\) serves: retiring")
    open_gate(program, "late")
    assert program.wait_status() == 0
    assert program.get("/").headers["x-generation"] == "2"


def test_a_broken_deploy_changes_nothing(program: Program) -> None:
    """Told to end, the old version serves on all the same; told again, it stops."""
    program.start(below="gates.importing")
    program.deploy(last=[], below=["gates.importing", ("boots.exits", 3)])
    program.send(signal.SIGUSR2)
    wait_at(program, "import of 2")
    program.send(signal.SIGTERM)
    program.wait_for("retiring when it is ready")
    open_gate(program, "import of 2")
    program.wait_for("restart failed, generation 1 serves on")
    assert program.get("/").headers["x-generation"] == "1"
    assert program.stop() == 0


def test_a_successor_that_hangs_is_waited_for_as_long_as_any(program: Program) -> None:
    """boot_timeout ends it, and the old version serves on."""
    program.start(below="gates.importing", boot_timeout=2)
    program.send(signal.SIGUSR2)
    # Not the gate: a busy machine may take longer to come there.
    program.wait_for("starting generation 2")
    program.send(signal.SIGTERM)
    program.wait_for(r"was not ready within boot_timeout")
    program.wait_for("generation 1 serves on")
    assert program.get("/").headers["x-generation"] == "1"


def test_all_processes_are_told_to_stop(program: Program) -> None:
    """As systemd does it: the booting successor ends by the signal, and the old process does not wait for another."""
    program.start(below="gates.importing")
    program.send(signal.SIGUSR2)
    wait_at(program, "import of 2")
    successor = child_of(program, program.pid)
    program.send(signal.SIGTERM)
    program.wait_for("retiring when it is ready")
    program.send(signal.SIGTERM, successor)
    assert program.wait_status() == 0
    assert "serve() returned stopped" in program.text()


def test_hup_keeps_its_meaning(program: Program) -> None:
    """TERM while its successor boots stops both."""
    program.start(below="gates.importing")
    program.hup()
    wait_at(program, "import of 2")
    program.send(signal.SIGTERM)
    assert program.wait_status() == 0
    assert "serve() returned stopped" in program.text()
