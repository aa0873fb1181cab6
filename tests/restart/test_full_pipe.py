"""Logs go to a pipe, and whoever should read it does not: no signal, no restart and no client waits for that."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.asking import get
from tests.harness import Program
from tests.processes import descendants
from tests.restart.gates import below

SAYS_WHERE = """
@hotswap.on("begin")
def where(address):
    print(f"generation {hotswap.generation} at {address}.", flush=True)
@hotswap.on_signal(signal.SIGUSR1, "after")
def after(number):
    print("SIGUSR1 acted on", flush=True)
"""
TO_FIFO = 'exec "$0" "$1" 2<>fifo'
"""Opened for both, so that it never waits for a reader and never breaks."""


@pytest.fixture
def fifo(program: Program) -> Iterator[int]:
    """The pipe that is standard error; the other end, which nobody reads."""
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


def start(program: Program) -> str:
    """Start it; returns where it serves, which the log cannot say."""
    command = ["sh", "-c", TO_FIFO, program.python, str(program.script)]
    program.start(command=command, ready=False, text=below(SAYS_WHERE), accesslog="-")
    return program.wait_for(r"generation 1 at http://(\S+)\.\n")[1]


def test_restart_and_stop_with_standard_error_full(program: Program, fifo: int) -> None:
    """It boots, answers, is restarted and stops."""
    fill(fifo)
    address = start(program)
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


def test_somebody_reads_again(program: Program, fifo: int) -> None:
    """The lines that were dropped are counted, and the following ones are there."""
    address = start(program)
    fill(fifo)
    for _ in range(2):
        reopen_logs(program)
        assert get(address, "/").status == 200
    assert "reopened" not in empty(fifo)
    reopen_logs(program)
    found = empty(fifo)
    assert "2 log lines were dropped, because nobody read them\n" in found
    assert found.count("log files reopened") == 1
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0
