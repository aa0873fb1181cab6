"""`hotswap restart --starter`: the starter executes itself; pid, server and every descriptor stay."""

from __future__ import annotations

import signal

import pytest

from tests.asking import connect, read_answer, request
from tests.commanding import hotswap
from tests.harness import Program
from tests.processes import descriptors
from tests.starter.test_deaths import WAYS
from tests.traffic import Traffic


def execute_anew(program: Program) -> int:
    """Wait until it has gone on; how many descriptors it has then."""
    mark = program.mark()
    command = hotswap(program, "restart", "--starter")
    assert (command.returncode, command.stdout) == (0, f"the starter (pid {program.pid}) was executed anew\n")
    program.wait_for("the starter was executed anew", since=mark)
    return len(descriptors(program.pid))


@pytest.mark.parametrize("way", WAYS)
def test_twice_under_load(program: Program, way: str) -> None:
    """No client notices; afterwards restarts, deaths and the stop are as before."""
    WAYS[way](program)
    serving = program.serving_pid
    with Traffic(program.address, {"keep-alive": 2, "one-shot": 2}, seconds=30) as traffic:
        counts = [execute_anew(program) for _ in range(2)]
        assert counts[0] == counts[1]
        assert program.serving_pid == serving
        following = program.serving_generation + 1
        program.send(signal.SIGHUP, program.pid)
        program.wait_generation(following)
        program.wait_for(f"gen={following - 1} .* retired")
    result = traffic.result()
    assert result.failures == {}, result
    assert result.closed_by_server == 0, result
    program.send(signal.SIGKILL, program.serving_pid)
    assert program.get("/").headers["x-generation"] == str(following + 1)
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0
    assert program.alive() == []


def test_while_a_generation_retires(program: Program) -> None:
    """It goes on, and is waited for at the stop."""
    WAYS["run"](program)
    with connect(program.address) as client:
        client.sendall(request("/gated/go"))
        program.wait_for("at gate go")
        program.send(signal.SIGHUP, program.pid)
        program.wait_for("serves: retiring")
        execute_anew(program)
        (program.folder / "go").touch()
        assert read_answer(client).status == 200
    program.wait_for("gen=1 .* retired")
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0


def test_there_is_none(program: Program) -> None:
    """The plain way has no starter."""
    program.start()
    command = hotswap(program, "restart", "--starter")
    assert command.returncode == 1
    assert "has no starter: its pid changes at a restart" in command.stderr
