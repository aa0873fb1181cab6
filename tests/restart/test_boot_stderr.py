"""Standard error of a successor leads to its predecessor until it serves; whoever prints there, and whoever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.apps.chatty import BURST
from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import ROOT, Program
from tests.live import starts_processes
from tests.processes import descendants, descriptors

LINES = 2000
"""Three times what a pipe holds."""


@pytest.mark.parametrize("workers", [0, 1])
def test_what_the_boot_has_started_prints_on(program: Program, workers: int) -> None:
    """A program that the application has executed, and a child that it has forked, speak when the restart is long
    over, and their parent's predecessor gone; the child writes to the log itself."""
    program.start(workers=workers)
    fifos = [program.folder / name for name in ("program", "child")]
    for fifo in fifos:
        os.mkfifo(fifo)
    program.deploy(below=["chatty.starts_a_reader", "chatty.forks_a_reader"])
    program.restart()
    program.wait_gone(program.pid)
    for fifo in fifos:
        fifo.write_text("hello\n")
    program.wait_for("the program says hello\n")
    program.wait_for(rf"the child says hello to {program.log}\n")
    assert descriptors(program.serving_pid)[2] == str(program.log)
    assert program.stop() == 0


def test_a_program_of_the_boot_outlives_its_generation(program: Program) -> None:
    """It prints two generations later, and dies of no SIGPIPE; when it has ended, nothing is left of its pipe."""
    program.start()
    os.mkfifo(program.folder / "program")
    program.deploy(below="chatty.starts_a_reader")
    program.restart()
    program.deploy(below=[])
    for _ in range(2):
        program.restart()
    serving = program.settle()
    before = pipes_of(serving)
    (program.folder / "program").write_text("hello\n")
    program.wait_for("the program says hello\n")
    eventually(lambda: len(pipes_of(serving)) == len(before) - 1, f"it keeps {before}")
    assert program.stop() == 0


def test_a_program_of_the_boot_after_deaths(program: Program) -> None:
    """A successor that dies takes no pipe away; one whose predecessor dies while it boots has the pipe already."""
    program.start()
    os.mkfifo(program.folder / "program")
    program.deploy(below="chatty.starts_a_reader")
    program.restart()
    second = program.settle()
    program.deploy(below=("boots.exits", 3))
    program.hup()
    program.wait_for("restart failed, generation 2 serves on")
    program.deploy(below="gates.until_go")
    program.hup()
    program.wait_for("hanging")
    program.send(signal.SIGKILL, second)
    program.wait_gone(second)
    (program.folder / "go").touch()
    program.wait_generation(3)
    (program.folder / "program").write_text("hello\n")
    program.wait_for("the program says hello\n")
    assert program.stop() == 0


def test_logs_that_the_boot_has_opened_by_the_name_of_standard_error(program: Program) -> None:
    """They lead to the real one when it serves: the main thread, which writes there, waits for no reader of a pipe."""
    program.start()
    program.deploy(below="chatty.opens_logs")
    program.restart()
    program.send(signal.SIGUSR1)
    eventually(lambda: program.text().count(BURST) == 3, "the main thread waits for a reader")
    assert json.loads(program.get("/bursts").body) == [str(program.log)] * 3
    assert program.restart() == 3
    assert program.get("/").status == 200
    program.settle()
    assert program.stop() == 0


@pytest.mark.parametrize("preload", [True, False])
def test_logs_that_the_boot_of_a_worker_has_opened(program: Program, preload: bool) -> None:
    """The same in a worker, which has them of the server process, or has opened them itself."""
    command = None if preload else [sys.executable, "-m", "hotswap", "run", "--no-preload", "-b", "127.0.0.1:0"]
    program.start(*([] if preload else ["-w", "1", "app:app"]), command=command, workers=1)
    program.deploy(below="chatty.opens_logs")
    program.restart()
    program.settle()  # a worker of generation 1 may not have heard yet that it retires
    assert json.loads(program.get("/bursts").body) == [str(program.log)] * 3
    assert program.stop() == 0


def pipes_of(pid: int) -> list[str]:
    """The pipes that the process holds, once for each descriptor."""
    return [path for path in descriptors(pid).values() if path.startswith("pipe:")]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_predecessor_dies_and_the_successor_has_much_to_say(program: Program, number: signal.Signals) -> None:
    """Also where it waits already for the predecessor to read: all of it is in the log, and it serves."""
    program.start(below=["gates.until_go", ("chatty.prints", LINES)])
    program.hup()
    program.wait_for("hanging")
    (successor,) = descendants(program.pid)
    program.send(number, program.pid)
    if number is signal.SIGKILL:
        program.wait_gone(program.pid)
    (program.folder / "go").touch()
    program.send(signal.SIGKILL, program.pid)
    assert program.wait_generation(2) == successor.pid
    assert program.text().count(f" {'.' * 93}\n") == LINES
    assert program.get("/").status == 200


def test_silence(program: Program) -> None:
    """One that says nothing is told from one whose words are lost."""
    program.start()
    program.deploy(below=("boots.exits", 0))
    command = hotswap(program, "restart", str(program.pid))
    assert "exited with status 0\nit said nothing, on standard error neither; it was at 'importing'\n" in command.stderr
    program.deploy(above=("boots.exits", 0))
    command = hotswap(program, "restart", str(program.pid))
    assert "it said nothing, on standard error neither; it had not come to import hotswap\n" in command.stderr


TERMINAL = """
import os, sys
from hotswap.restart.boot_stderr import BootStderr

class Predecessor:
    lives = True

_, real = os.openpty()
pipe, end = os.pipe2(os.O_NONBLOCK)
os.dup2(end, 2)
stderr = BootStderr(real, pipe, Predecessor())
print(sys.stderr.isatty(), os.isatty(2))
stderr.put_back()
print(sys.stderr.isatty(), os.isatty(2), "isatty" in vars(sys.stderr))
"""


@starts_processes
def test_colours() -> None:
    """A program that asks, while it boots, whether it prints to a terminal is told so."""
    command = subprocess.run(
        [sys.executable, "-c", TERMINAL], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert command.stdout.splitlines() == ["True False", "True True False"]
