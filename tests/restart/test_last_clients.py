"""Clients that connect in the very last moment of a server that stops."""

from __future__ import annotations

import errno
import signal

import pytest

from tests.harness import Program
from tests.late_client import begin_to_connect, error_of
from tests.restart.gates import open_gate, wait_at

SERVER, WORKER = "close in the server process", "close in the worker"


@pytest.mark.parametrize("workers", [0, 1])
def test_none_is_reset(program: Program, workers: int) -> None:
    """The last copy of the listener is about to be closed, and its queue has been looked at for the last time."""
    program.start(workers=workers, below="gates.closing")
    (program.folder / "armed").touch()
    program.send(signal.SIGTERM)
    wait_at(program, SERVER)
    if workers:
        open_gate(program, SERVER)
        wait_at(program, WORKER)
    client = begin_to_connect(program.address)
    for name in (SERVER, WORKER):
        open_gate(program, name)
    assert program.wait_status() == 0
    assert error_of(client) == errno.ECONNREFUSED


@pytest.mark.parametrize(("stable_pid", "left"), [("off", "gen=1 .*retired"), ("on", "its process is the starter now")])
def test_nor_at_a_listener_that_was_passed_on(program: Program, stable_pid: str, left: str) -> None:
    """Generation 2 stops: its listener is the server's own as well. A starter closes its copy as soon as it is told,
    and whether that is the last one or not, no client waits there."""
    program.start(below="gates.closing", stable_pid=stable_pid)
    program.restart()
    program.wait_for(left)
    if stable_pid == "off":
        program.settle()
    (program.folder / "armed").touch()
    program.send(signal.SIGTERM)
    wait_at(program, SERVER)
    client = begin_to_connect(program.address)
    open_gate(program, SERVER)
    program.wait_gone(*program.pids())
    assert error_of(client) == errno.ECONNREFUSED
