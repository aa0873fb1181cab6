"""Logs go to a pipe, and its reader has stopped: no signal, no restart and no client waits for that."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.asking import get
from tests.harness import Program
from tests.processes import descendants
from tests.restart.gates import child_of, open_gate, wait_at

TO_FIFO = 'exec "$0" "$1" 2<>fifo'
"""Opened for both, so that it never waits for a reader and never breaks."""


@pytest.fixture
def fifo(program: Program) -> Iterator[int]:
    """The pipe that is standard error; the other end, from which the test reads only when it wants to."""
    path = Path(program.folder / "fifo")
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    yield fd
    os.close(fd)


def fill(fd: int) -> None:
    """Until there is room for nothing."""
    for size in (4096, 1):
        try:
            while os.write(fd, b"." * size):
                pass
        except BlockingIOError:
            continue


def leave_a_page(fd: int) -> None:
    """Fill it, but for the page that makes it writable to poll(2)."""
    fill(fd)
    os.read(fd, 4096)


def empty(fd: int) -> str:
    """What is in the pipe."""
    found = b""
    try:
        while True:
            found += os.read(fd, 65536)
    except BlockingIOError:
        return found.decode()


def reopen_logs(program: Program) -> None:
    """Have it log a line; returns when it is logged, or not."""
    mark = program.mark()
    program.send(signal.SIGUSR1, program.pid)
    program.wait_for("SIGUSR1 acted on", since=mark)


def start(program: Program, *, errorlog: str = "-") -> str:
    """Start it; returns where it serves, which the log cannot say."""
    command = ["sh", "-c", TO_FIFO, program.python, str(program.script)]
    program.start(command=command, ready=False, below="sayings.where", accesslog="-", errorlog=errorlog)
    return program.wait_for(r"generation 1 at http://(\S+)\.\n")[1]


@pytest.mark.parametrize("log", ["-", "/dev/stderr"])
def test_restart_and_stop_with_standard_error_full(program: Program, fifo: int, log: str) -> None:
    """It boots, answers, is restarted and stops; also where the pipe is given as a file, as in many containers."""
    fill(fifo)
    address = start(program, errorlog=log)
    assert get(address, "/echo/x").headers["x-generation"] == "1"
    program.send(signal.SIGHUP, program.pid)
    program.wait_for("generation 2 at ")
    program.wait_for(r"serve\(\) returned retired")
    program.wait_gone(program.pid)
    assert get(address, "/echo/x").headers["x-generation"] == "2"
    (successor,) = (process.pid for process in descendants(os.getpid()) if not process.zombie)
    program.send(signal.SIGTERM, successor)
    program.wait_for(r"serve\(\) returned stopped")
    program.wait_gone(successor)


def test_more_of_a_successor_than_standard_error_has_room_for(program: Program, fifo: int) -> None:
    """What fits is written on; the main loop waits for no reader of the rest, and hears that the successor has died."""
    start(program)
    program.deploy(above="early.prints_20_kb_of_errors")
    program.send(signal.SIGHUP, program.pid)
    wait_at(program, "above the import")
    leave_a_page(fifo)
    open_gate(program, "above the import")
    wait_at(program, "printed")
    program.send(signal.SIGKILL, child_of(program, program.pid))
    program.wait_for("the restart has failed: .*was killed by SIGKILL")
    assert empty(fifo).count(",") == 2 * 2047


def test_more_than_that_of_one_whose_predecessor_has_died(program: Program, fifo: int) -> None:
    """It prints what its predecessor has not read, as far as that fits, and serves."""
    address = start(program)
    program.deploy(above="early.prints_20_kb_of_errors")
    program.send(signal.SIGHUP, program.pid)
    wait_at(program, "above the import")
    program.send(signal.SIGKILL, program.pid)
    program.wait_gone(program.pid)
    open_gate(program, "above the import")
    wait_at(program, "printed")
    leave_a_page(fifo)
    open_gate(program, "printed")
    program.wait_for("generation 2 at ")
    assert get(address, "/echo/x").headers["x-generation"] == "2"


def test_somebody_reads_again(program: Program, fifo: int) -> None:
    """The lines that were dropped are counted, and the following ones are there."""
    address = start(program)
    reopen_logs(program)  # by now the boot has logged all of its lines
    empty(fifo)
    fill(fifo)
    for _ in range(2):
        reopen_logs(program)
        assert get(address, "/").status == 200
    assert "reopened" not in empty(fifo)
    reopen_logs(program)
    found = empty(fifo)
    assert "2 log lines were dropped, because no process read the log\n" in found
    assert found.count("log files reopened") == 1
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0


def test_reopening_a_fifo_that_has_lost_its_reader(program: Program) -> None:
    """The open would wait for a reader (fifo(7)): it is refused instead, and the server goes on."""
    path = program.folder / "log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    program.start(ready=False, below="sayings.where", errorlog=str(path))
    program.wait_for(r"generation 1 at ")
    os.close(reader)
    reopen_logs(program)
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0


def test_workers_are_forked_with_prints_that_nobody_reads(program: Program, fifo: int) -> None:
    """What the application has printed, and Python not written, does not hold up the fork; it is written once."""
    fill(fifo)
    command = ["sh", "-c", TO_FIFO.replace("2<>", "1<>"), program.python, str(program.script)]
    program.start(command=command, below="sayings.pid", environ={"PYTHONUNBUFFERED": ""}, workers=2)
    empty(fifo)
    program.send(signal.SIGTERM)
    assert program.wait_status() == 0
    assert empty(fifo).count(f"printed by {program.pid}\n") == 1
