"""What a server has to go through wherever it runs: restarts under load, a stop with a request under way, its end."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from tests.asking import connect, read_answer, request
from tests.harness import Program
from tests.processes import ProcessTree
from tests.restart.gates import open_gate, wait_at
from tests.traffic.generator import Traffic

T = TypeVar("T")

#: What a server ends with that was told to stop: see `with_status` in tests/apps/endings.py.
STATUS = 3
STANDS = "its process is the starter now"


def serve(program: Program) -> list[str]:
    """`python app.py`: generation 1 becomes the starter when it has retired."""
    return [program.python, str(program.script)]


def run(program: Program) -> list[str]:
    """`hotswap run`: the starter is there first."""
    return [program.python, "-m", "hotswap", "run", "app:app", "-b", "127.0.0.1:0"]


WAYS: Mapping[str, Callable[[Program], list[str]]] = {"serve": serve, "run": run}


def running(tree: ProcessTree) -> list[int]:
    """The pids of the test's processes that have not ended."""
    return [each.pid for each in tree.left() if not each.zombie]


def live(program: Program, restart: Callable[[], object], stop: Callable[[], T]) -> T:
    """Two restarts, with one-shot clients and one that keeps its connection; then a stop, when a request is under way.

    `restart` and `stop` do what the operator of that place does; `stop` does not wait, and what it returns is returned.
    """
    with Traffic(program.address, {"one-shot": 1, "keep-alive": 1}) as traffic:
        for generation in (2, 3):
            restart()
            program.wait_for(rf"generation {generation} \(pid \d+\) serves: retiring")
            # That is when the pid that the place knows has another program behind it.
            program.wait_for(rf"{STANDS}|starter pid=\d+ the pid stays")
        assert program.get("/").headers["x-generation"] == "3"
    result = traffic.result()
    assert not result.failures, result
    assert result.closed_by_server == 0, result
    with connect(program.address) as client:
        client.sendall(request("/gated/last"))
        wait_at(program, "last")
        stopping = stop()
        program.wait_for(re.compile("gen=3 .* draining"))
        open_gate(program, "last")
        assert read_answer(client).status == 200
    assert list(program.generations()) == [1, 2, 3]
    return stopping
