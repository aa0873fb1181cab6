"""A process that has retired or stopped, and is kept alive by what its program leaves: it is seen, and can be ended."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import Program
from tests.processes import descendants
from tests.restart.gates import open_gate, wait_at

HOLDERS = {
    "thread": "the thread my-worker",
    "executor": "the thread my-pool_0",
    "child": r"the child process my-child \(pid \d+\)",
    "handler": r"the atexit handler my_handler \(.*lingers.py:\d+\)",
}


def eventually_held(program: Program, pid: int) -> str:
    """What `hotswap status` says of that process once its main thread has ended."""

    def held() -> str:
        lines = hotswap(program, "status", str(pid)).stdout.splitlines()
        return next((line for line in lines if line.startswith("generation") and "is held by" in line), "")

    return eventually(held, "nothing holds it")


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("retires", [False, True])
def test_it_is_ended_by_force(program: Program, holder: str, retires: bool) -> None:
    """After graceful_timeout or retire_timeout, and the log says what held it."""
    program.start(below=f"lingers.{holder}", graceful_timeout=1, retire_timeout=1)
    if retires:
        program.deploy(below=[])
        program.restart()
    else:
        program.send(signal.SIGTERM)
    assert program.wait_status() == 1
    name = "retire" if retires else "graceful"
    program.wait_for(rf"{name}_timeout \(1 s\) is over since .*, and {HOLDERS[holder]} still held this process")


@pytest.mark.parametrize("holder", HOLDERS)
def test_sigterm_ends_it(program: Program, holder: str) -> None:
    """At once, also where serve() has left the signal ignored because it has retired."""
    program.start(below=f"lingers.{holder}")
    program.deploy(below=[])
    program.restart()
    held = eventually_held(program, program.pid)
    assert program.text().count("serve() returned retired") == 1
    assert held.startswith(f"generation 1 (pid {program.pid}) is held by the ") or holder == "handler"
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == -signal.SIGTERM
    assert program.get("/").status == 200


def test_an_executor_that_was_imported_after_serve(program: Program) -> None:
    """What it joins at the end is not waited for first."""
    program.start(last="lingers.executor_after_serve", graceful_timeout=1)
    program.send(signal.SIGTERM)
    assert program.wait_status() == 1
    assert "and the thread my-pool_0 still held this process" in program.text()


def test_stop_waits_for_it(program: Program) -> None:
    """And says what is left, with status 1, if it is not to wait any longer."""
    program.start(below="lingers.thread")
    command = hotswap(program, "stop", "--timeout", "0.5")
    assert command.returncode == 1
    assert f"generation 1 (pid {program.pid}) lingering (the thread my-worker)" in command.stderr
    command = hotswap(program, "stop", str(program.pid), "--timeout", "0.5")
    assert command.returncode == 1
    with subprocess.Popen(
        [sys.executable, "-m", "hotswap", "stop", str(program.pid)],
        stdout=subprocess.PIPE,
        env=program.environment({}),
        cwd=program.folder,
        text=True,
    ) as waiting:
        assert waiting.stdout is not None
        assert "lingering (the thread my-worker)" in waiting.stdout.readline()
        open_gate(program, "go")
        assert program.wait_status() == 0
        assert " is stopped, after " in waiting.stdout.read()
    assert waiting.returncode == 0


def test_status_shows_it(program: Program) -> None:
    """With what holds it; also one that has retired, beside the generation that serves."""
    program.start(below="lingers.thread")
    program.deploy(below=[])
    program.restart()
    eventually_held(program, program.pid)
    lines = hotswap(program, "status").stdout.splitlines()
    states = {words[1]: words[3] for line in lines if (words := line.split())[0] in ("1", "2")}
    assert states == {str(program.pid): "lingering", str(program.serving_pid): "serving"}
    assert f"generation 1 (pid {program.pid}) is held by the thread my-worker" in lines
    open_gate(program, "go")
    assert program.wait_status() == 0


def test_what_follows_serve_may_take_its_time(program: Program) -> None:
    """The clock does not run before the program has come to its end."""
    program.start(last="gates.after_serve", graceful_timeout=0)
    program.send(signal.SIGTERM)
    wait_at(program, "after serve")
    command = hotswap(program, "stop", str(program.pid), "--timeout", "1.5")
    assert command.returncode == 1
    assert f"generation 1 (pid {program.pid}) lingering" in command.stderr
    open_gate(program, "after serve")
    assert program.wait_status() == 0
    assert "the end" in program.text()


def test_a_stop_is_not_held_up_by_a_successor_that_lingers(program: Program) -> None:
    """A predecessor that still holds the listeners lets them go, and does not serve again."""
    program.start()
    program.deploy(below="lingers.thread")
    program.restart()
    program.send(signal.SIGTERM)
    assert program.wait_status() == 0
    assert "serves again" not in program.text()
    open_gate(program, "go")
    program.wait_gone(*program.pids())


def test_a_child_of_the_program_is_not_watched(program: Program) -> None:
    """multiprocessing's children end as the interpreter does, and have none of this."""
    program.start(below="lingers.child")
    children = [process.pid for process in descendants(program.pid)]
    program.send(signal.SIGTERM)
    eventually_held(program, program.pid)
    open_gate(program, "go")
    assert program.wait_status() == 0
    program.wait_gone(*children)


def test_with_forked_workers(program: Program) -> None:
    """It is the server process that lingers; its workers have left, and have nothing of the program's end."""
    program.start(below="lingers.handler", workers=1, graceful_timeout=1)
    program.send(signal.SIGTERM)
    assert program.wait_status() == 1
    program.wait_for(rf"graceful_timeout \(1 s\) is over since .*, and {HOLDERS['handler']} still held this process")
    assert program.text().count("my handler waits") == 1
