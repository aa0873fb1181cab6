"""At a terminal, with a shell in it: Ctrl-C, Ctrl-Z and the closed window mean what they mean to any program there."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import termios
from typing import Any

import pytest

from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.harness import ROOT, Program
from tests.processes import descendants
from tests.restart.gates import open_gate, refused, wait_at
from tests.terminals import Terminal

CTRL_C, CTRL_Z = "\x03", "\x1a"
STANDS = "its process is the starter now"
#: what is watched is the program alone
QUIET = {"exclude_patterns": [f"{ROOT}/*"]}
RUN = ["-m", "hotswap", "run", "app:app", "-b", "127.0.0.1:0", "--stable-pid", "on"]
START = ["-m", "hotswap", "start", "--port", "127.0.0.1:0", "--interval", "0.2", "--"]
#: before the first restart; while generation 1 retires; behind a starter, from the beginning or since generation 1
PHASES = ["first", "retires", "workers, retires", "run", "start", "starter"]
#: What the generation that has a request says of Ctrl-C. A second one before that would be the same pending signal.
LEAVES = ["draining", "SIGINT while retiring"]


def begin(terminal: Terminal, phase: str, **how: Any) -> None:
    """A server in front."""
    program = terminal.program
    start = [*START, program.python, str(program.script)]
    words = {"run": RUN, "start": start}.get(phase, [])
    terminal.serve(*words, **how, workers=2 if "workers" in phase else 0)
    if phase == "starter":
        program.hup()
        program.wait_for(STANDS)


def job(terminal: Terminal) -> int:
    """The process that the shell has started."""
    (pid,) = (each.pid for each in descendants(terminal.shell.pid) if each.parent == terminal.shell.pid)
    return pid


def assert_nothing_left() -> None:
    """No process that the test has started, whoever its parent is now."""
    eventually(lambda: not [each for each in descendants(os.getpid()) if not each.zombie], "processes are left")


@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_once_finishes_what_runs(program: Program, phase: str) -> None:
    """The prompt comes when the last answer is given, with the status of a stopped server, and the modes of before."""
    with Terminal(program) as terminal:
        before = termios.tcgetattr(terminal.master)
        begin(terminal, phase)
        with connect(program.address) as client:
            client.sendall(request("/gated/go"))
            wait_at(program, "go")
            if "retires" in phase:
                program.restart()
            terminal.type(CTRL_C)
            terminal.shows(LEAVES["retires" in phase])
            open_gate(program, "go")
            assert read_answer(client).status == 200
        assert terminal.status() == 0
        assert termios.tcgetattr(terminal.master) == before
        assert "ending what still runs" not in program.text()
        assert [each.pid for each in descendants(terminal.shell.pid)] == []


@pytest.mark.parametrize("phase", PHASES[:-1])
def test_ctrl_c_twice_cuts(program: Program, phase: str) -> None:
    """A request that never ends does not keep the terminal."""
    with Terminal(program) as terminal:
        begin(terminal, phase)
        with connect(program.address) as client:
            client.sendall(request("/gated/never"))
            wait_at(program, "never")
            if "retires" in phase:
                program.restart()
            terminal.type(CTRL_C)
            terminal.shows(LEAVES["retires" in phase])
            terminal.type(CTRL_C)
            # 130: the second has met a generation that had stopped by the first, and was on its way out.
            assert terminal.status() in (0, 130)
        program.wait_for("cut GET /gated/never")
        assert [each.pid for each in descendants(terminal.shell.pid)] == []


@pytest.mark.parametrize(("phase", "shell"), [*((phase, "bash") for phase in PHASES), ("first", "dash")])
def test_the_window_is_closed(program: Program, phase: str, shell: str) -> None:
    """The server stops as by Ctrl-C, and starts no successor: requests are answered."""
    with Terminal(program, shell) as terminal:
        begin(terminal, phase)
        with connect(program.address) as client:
            client.sendall(request("/gated/go"))
            wait_at(program, "go")
            if "retires" in phase:
                program.restart()
            terminal.close()
            eventually(lambda: refused(program), "the port is closed")
            open_gate(program, "go")
            assert read_answer(client).status == 200
        assert_nothing_left()


@pytest.mark.parametrize("phase", ["first", "run"])
def test_the_window_is_closed_under_nohup(program: Program, phase: str) -> None:
    """The server serves on, and no signal of the hang-up is taken for a deploy's."""
    with Terminal(program) as terminal:
        begin(terminal, phase, prefix="nohup", suffix=f">> {program.log} 2>&1")
        pid, generations = job(terminal), program.generations()
        terminal.close()
        # The shell's SIGHUP and the kernel's were sent before the shell had ended.
        os.kill(pid, signal.SIGUSR1)
        program.wait_for("log files reopened")
        assert program.get("/").status == 200
        os.kill(pid, signal.SIGTERM)
        assert_nothing_left()
        assert program.generations() == generations
        assert f"starting generation {len(generations) + 1}" not in program.text()


def test_an_emulator_signals_before_it_closes(program: Program) -> None:
    """xterm does so: what is taken for a deploy's signal at first is found to be the window's."""
    with Terminal(program) as terminal:
        begin(terminal, "first")
        os.killpg(terminal.shell.pid, signal.SIGHUP)
        program.wait_for("starting generation 2")
        terminal.close()
        assert_nothing_left()


def test_a_deploy_right_before_the_logout(program: Program) -> None:
    """In the background the shell's last words are no hang-up."""
    with Terminal(program) as terminal:
        terminal.serve(suffix=f">> {program.log} 2>&1 &")
        terminal.run("kill -HUP %1")
        # Else the server could come to it when the terminal has been closed: then it is no deploy's.
        program.wait_for("starting generation 2")
        terminal.run("exit")
        terminal.shell.wait()
        terminal.close()
        program.wait_generation(2)
        program.wait_for("serves: retiring")
        assert program.get("/").headers["x-generation"] == "2"


def test_in_the_background(program: Program) -> None:
    """`python app.py &`, `exit`: on the next day a SIGHUP restarts, the terminal being gone or not."""
    with Terminal(program) as terminal:
        terminal.serve(suffix=f">> {program.log} 2>&1 &")
        assert "the pid stays" not in program.text()
        terminal.run("exit")
        terminal.shell.wait()
        program.restart()
        terminal.close()
        program.restart()
        assert program.get("/").headers["x-generation"] == "3"


def states_below(terminal: Terminal) -> set[str]:
    """Of all processes that the shell has started."""
    return {each.state for each in descendants(terminal.shell.pid)}


@pytest.mark.parametrize("phase", PHASES[:-1])
def test_ctrl_z_and_fg(program: Program, phase: str) -> None:
    """The prompt is back, and no process runs; with fg all run again. Twice, and Ctrl-C as ever."""
    with Terminal(program) as terminal:
        begin(terminal, phase)
        with connect(program.address) as client:
            client.sendall(request("/gated/go"))
            wait_at(program, "go")
            if "retires" in phase:
                program.restart()
            for _ in range(2):
                terminal.type(CTRL_Z)
                assert terminal.status() == 128 + signal.SIGSTOP
                # The shell waits for the one that it has started; the terminal has signalled the others, too.
                eventually(lambda: states_below(terminal) == {"T"}, "a process of the server still runs")
                terminal.run("fg")
                assert program.get("/").status == 200
            open_gate(program, "go")
            assert read_answer(client).status == 200
        terminal.type(CTRL_C)
        assert terminal.status() == 0


@pytest.mark.parametrize("phase", ["run", "start"])
def test_the_process_of_the_job_alone_is_suspended(program: Program, phase: str) -> None:
    """As by kill(1), or because the server has a process group of its own: all stand, and fg lets all go on."""
    with Terminal(program) as terminal:
        begin(terminal, phase)
        os.kill(job(terminal), signal.SIGTSTP)
        assert terminal.status() == 128 + signal.SIGSTOP
        assert {each.state for each in descendants(terminal.shell.pid)} == {"T"}
        terminal.run("fg")
        assert program.get("/").status == 200
        terminal.type(CTRL_C)
        assert terminal.status() == 0


@pytest.mark.parametrize("phase", ["first", "retires", "starter"])
def test_the_window_of_a_debugger_is_closed(program: Program, phase: str) -> None:
    """Nothing lives on that would run code for any client."""
    with Terminal(program) as terminal:
        begin(terminal, phase, debug=True, graceful_timeout=1, **QUIET)
        with connect(program.address) as client:
            if "retires" in phase:
                client.sendall(request("/gated/never"))
                wait_at(program, "never")
                program.restart()
            terminal.close()
        assert_nothing_left()


def test_the_window_of_a_debugger_in_the_background_is_closed(program: Program) -> None:
    """dash sends its jobs no SIGHUP: the end of the terminal is enough."""
    with Terminal(program, "dash") as terminal:
        terminal.serve(suffix="&", debug=True, use_reloader=False)
        terminal.close()
        assert_nothing_left()


def test_a_daemon(program: Program) -> None:
    """It has no terminal: right after the window was closed a SIGHUP is a deploy's."""
    program.deploy()
    with Terminal(program) as terminal:
        options = [*RUN[:-2], "--daemon", "--error-logfile", str(program.log)]
        terminal.run(shlex.join([program.python, *options]))
        assert terminal.status() == 0
        terminal.close()
        program.restart()
        assert program.get("/").headers["x-generation"] == "2"


SCRIPT = '"$0" "$1"; echo "went on with $?"'
PARENT = "import subprocess, sys; print('went on with', subprocess.run(sys.argv[1:]).returncode)"


@pytest.mark.parametrize("starts", [["sh", "-c", SCRIPT], [sys.executable, "-c", PARENT]], ids=["script", "subprocess"])
def test_started_by_another_program(program: Program, starts: list[str]) -> None:
    """The plain way: what has started it goes on after the restart, and the prompt comes."""
    with Terminal(program) as terminal:
        terminal.serve(prefix=shlex.join(starts))
        assert "the pid stays" not in program.text()
        program.restart()
        terminal.shows("went on with 0")
        assert terminal.status() == 0
        assert program.get("/").headers["x-generation"] == "2"
        terminal.close()
        # No job of the shell any more.
        assert program.get("/").headers["x-generation"] == "2"
        program.send(signal.SIGTERM)
        assert_nothing_left()
