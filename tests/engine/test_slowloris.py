"""A thousand clients that send their heads byte by byte: they hold no thread, and the others are served."""

from __future__ import annotations

import os

from tests.asking import connect, get, read_answer, request
from tests.engine.slow_clients import slow_clients
from tests.eventually import eventually
from tests.harness import Program

SLOW = 1000
ASKED = 100


def threads(program: Program) -> int:
    """How many the process has."""
    return len(os.listdir(f"/proc/{program.pid}/task"))


def test_others_are_served(program: Program) -> None:
    """On kept connections and on new ones. How long that takes beside them is measured by `benchmarks.slow`."""
    program.start()
    with connect(program.address) as kept:
        kept.sendall(request("/version"))
        assert read_answer(kept).status == 200
        before = threads(program)
        with slow_clients(program.address, SLOW):
            eventually(lambda: len(os.listdir(f"/proc/{program.pid}/fd")) > SLOW, "they were not accepted")
            for _ in range(ASKED):
                kept.sendall(request("/version"))
                assert read_answer(kept).status == 200
                assert get(program.address, "/version").status == 200
            assert threads(program) == before
