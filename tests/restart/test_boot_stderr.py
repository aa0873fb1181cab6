"""Standard error of a successor leads to its predecessor until it serves; whoever prints there, and whoever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.commanding import hotswap
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
