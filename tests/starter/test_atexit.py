"""atexit handlers of generation 1, which becomes the starter: one that hangs does not keep it from that."""

from __future__ import annotations

import signal

import pytest

from tests.eventually import eventually
from tests.harness import Program
from tests.restart.gates import refused

STARTER = "its process is the starter now"


def test_it_is_cut_after_retire_timeout(program: Program) -> None:
    """And the pid is what it has to be."""
    program.start(stable_pid="on", below="lingers.handler", retire_timeout=1)
    program.deploy(below=[])
    program.restart()
    program.wait_for("my handler waits")
    program.wait_for(STARTER)
    assert program.get("/").headers["x-generation"] == "2"
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_it_is_cut_by_a_signal_that_is_to_end_the_server(program: Program, number: signal.Signals) -> None:
    """Which is acted on when this process is the starter."""
    program.start(stable_pid="on", below="lingers.handler")
    program.deploy(below=[])
    program.restart()
    program.wait_for("my handler waits")
    program.send(number, program.pid)
    program.wait_for(STARTER)
    program.wait_gone(*program.pids())
    eventually(lambda: refused(program))
