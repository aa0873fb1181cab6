"""The signal table of docs/signals.md, with real signals to real processes."""

from __future__ import annotations

import os
import signal

import pytest

from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.harness import Program
from tests.processes import look
from tests.restart.gates import open_gate, refused, wait_at


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_term_and_int_drain(program: Program, number: signal.Signals) -> None:
    """What runs is finished, with Connection: close; no client connects any more; the status is 0."""
    program.start()
    with connect(program.address) as client:
        client.sendall(request("/gated/go"))
        wait_at(program, "go")
        program.send(number)
        program.wait_for("draining")
        eventually(lambda: refused(program), "the port is closed")
        open_gate(program, "go")
        answer = read_answer(client)
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
    assert program.wait_status() == 0
    assert "serve() returned stopped" in program.text()


def test_quit_stops_at_once(program: Program) -> None:
    """What runs is cut, and the log says what that was."""
    program.start()
    with connect(program.address) as client:
        client.sendall(request("/slow/30"))
        program.wait_for("slow 30 began")
        program.send(signal.SIGQUIT)
        assert program.wait_status() == 0
    program.wait_for(r"cut GET /slow/30 after \d")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGUSR2])
def test_the_hammer_while_draining(program: Program, number: signal.Signals) -> None:
    """A second Ctrl-C ends what the first one waits for; TERM does not."""
    program.start()
    with connect(program.address) as client:
        client.sendall(request("/slow/30"))
        program.wait_for("slow 30 began")
        # The first line names the folder, which is named for this test.
        mark = program.mark()
        program.send(signal.SIGINT)
        program.wait_for("draining", since=mark)
        program.send(signal.SIGTERM)
        program.send(signal.SIGHUP)
        program.wait_for("told to stop")
        program.send(number)
        assert program.wait_status() == 0
    assert "cut GET /slow/30" in program.text()


def test_graceful_timeout_is_the_hammer(program: Program) -> None:
    """Draining ends by force after graceful_timeout."""
    program.start(graceful_timeout=1)
    with connect(program.address) as client:
        client.sendall(request("/slow/30"))
        program.wait_for("slow 30 began")
        assert program.stop() == 0
    assert "graceful_timeout is over" in program.text()
    assert "cut GET /slow/30" in program.text()


def test_retire_timeout_is_the_hammer(program: Program) -> None:
    """Retiring too, after a time of its own, and only for what is left in the old generation."""
    program.start(retire_timeout=1)
    with connect(program.address) as client:
        client.sendall(request("/slow/30"))
        program.wait_for("slow 30 began")
        program.restart()
        program.wait_for("retire_timeout is over")
        program.wait_gone(program.pid)
    assert program.get("/").status == 200


def test_signals_while_retiring(program: Program) -> None:
    """TERM is tolerated, HUP goes to the process that serves, INT cuts nothing, and INT once more is the hammer."""
    program.start()
    with connect(program.address) as client:
        client.sendall(request("/slow/30"))
        program.wait_for("slow 30 began")
        program.restart()
        program.wait_for("serves: retiring")
        for _ in range(3):
            program.send(signal.SIGTERM, program.pid)
        program.send(signal.SIGHUP, program.pid)
        program.wait_generation(3)
        assert program.status(program.pid) is None
        program.send(signal.SIGINT, program.pid)
        program.wait_for("SIGINT while retiring")
        assert program.status(program.pid) is None
        program.send(signal.SIGINT, program.pid)
        program.wait_gone(program.pid)
    assert program.get("/").headers["x-generation"] == "3"


def test_usr2_restarts(program: Program) -> None:
    """As HUP, for nginx, puma, unicorn and gunicorn hands."""
    program.start()
    program.send(signal.SIGUSR2)
    program.wait_generation(2)


def test_usr1_reopens_the_logs(program: Program) -> None:
    """After logrotate has moved it, the log goes on in a new file."""
    log = program.folder / "access.log"
    program.start(accesslog=str(log))
    program.get("/echo/one")
    eventually(lambda: "/echo/one" in log.read_text(), "the request is logged")
    log.rename(program.folder / "access.log.1")
    program.send(signal.SIGUSR1)
    program.wait_for("log files reopened")
    program.get("/echo/two")
    eventually(lambda: log.exists() and "/echo/two" in log.read_text(), "the new file is written")


def test_tstp_suspends_for_real(program: Program) -> None:
    """The process is stopped, as a shell's Ctrl-Z expects; CONT resumes."""
    program.start()
    program.send(signal.SIGTSTP)
    eventually(lambda: state(program.pid) == "T", "the process is stopped")
    os.kill(program.pid, signal.SIGCONT)
    program.wait_for("resumed by SIGCONT")
    assert program.get("/").status == 200


def state(pid: int) -> str:
    process = look(pid)
    return process.state if process is not None else ""


@pytest.mark.parametrize("number", [signal.SIGTTIN, signal.SIGTTOU])
def test_single_mode_has_no_workers(program: Program, number: signal.Signals) -> None:
    """Said, and nothing else happens."""
    program.start()
    program.send(number)
    program.wait_for("single mode has no workers")
    assert program.get("/").status == 200


def test_callbacks_before_and_after(program: Program) -> None:
    """endless's pre- and post-hooks: with the number, on the main thread; one that raises loses no signal."""
    program.start(below="sayings.signals")
    program.send(signal.SIGUSR1)
    program.wait_for(f"before {int(signal.SIGUSR1)} True")
    program.wait_for("ValueError: hook")
    program.wait_for("log files reopened")
    program.wait_for(f"after {int(signal.SIGUSR1)}")


def test_the_steps_of_a_life(program: Program) -> None:
    """Each step calls back, in order, in the generation that lives it."""
    program.start(below="sayings.steps")
    program.restart()
    program.settle()
    program.stop()
    steps = [line.removeprefix("step ") for line in program.text().splitlines() if line.startswith("step ")]
    of = {number: [step[2:] for step in steps if step.startswith(number)] for number in "12"}
    assert of["1"] == ["starting", "begin", "ready", "restarting", "retiring", "stopped"]
    assert of["2"] == ["starting", "begin", "ready", "draining", "stopped"]


def test_draining_is_seen_by_long_loops(program: Program) -> None:
    """hotswap.draining is set when this process leaves, so a background worker can finish its job."""
    program.start(below="endings.of_thread")
    program.restart()
    program.wait_for("job done in .* of generation 1 ")
    program.settle()
    program.stop()
    program.wait_for("job done in .* of generation 2 ")
