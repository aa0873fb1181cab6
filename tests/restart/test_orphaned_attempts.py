"""What `hotswap status` says of a restart whose predecessor was killed: how it went, or that it has no outcome."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import Program
from tests.restart.gates import child_of, open_gate, standing_still, wait_at


@pytest.fixture
def successor(program: Program) -> int:
    """The pid of generation 3, which boots; generation 2, which has started it, was killed, and generation 1 serves."""
    program.start(below="gates.importing")
    open_gate(program, "import of 2")
    program.restart()
    second = program.serving_pid
    # Not to run out of the time in which it can take the listeners back.
    with standing_still(program, program.pid):
        program.hup()
        wait_at(program, "import of 3")
        third = child_of(program, second)
        program.send(signal.SIGKILL, second)
        program.wait_gone(second)
    program.wait_for("generation 1 serves again")
    return third


def attempts(program: Program) -> dict[int, Any]:
    """The last attempt at each generation that did not fail, as `hotswap status --json` shows it."""
    (server,) = json.loads(hotswap(program, "status", "--json").stdout)
    return {attempt["generation"]: attempt for attempt in server["attempts"] if attempt["outcome"] != "failed"}


def test_the_successor_is_killed_too(program: Program, successor: int) -> None:
    """The restart is not under way for ever; the next one is, and ends as always."""
    program.send(signal.SIGKILL, successor)
    program.wait_gone(successor)
    assert attempts(program)[3]["outcome"] == "orphaned"
    assert "restart under way" not in hotswap(program, "status").stdout
    open_gate(program, "import of 3")
    mark = program.mark()
    program.send(signal.SIGHUP, program.pid)
    program.wait_for("serves: retiring", since=mark)
    assert "last restart: " in hotswap(program, "status").stdout


def test_the_successor_serves_all_the_same(program: Program, successor: int) -> None:
    """It says itself that the attempt at it has succeeded."""
    open_gate(program, "import of 3")
    assert program.wait_generation(3) == successor
    eventually(lambda: attempts(program)[3]["outcome"] == "ok", "the attempt is not ended")
    assert attempts(program)[3]["pid"] == successor
