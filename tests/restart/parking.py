"""A restart whose predecessor stays parked."""

from __future__ import annotations

import contextlib

import pytest

from hotswap.scoreboard import list_servers
from tests.harness import Program

MODES = pytest.mark.parametrize("number", [0, 2], ids=["single", "workers"])
#: Longer than any test takes (seconds).
LONG = 600
#: Of clients (seconds): what is looked at are the moments of a swap, and they may leave the machine some time.
PAUSES = {"keep-alive": 0.01, "one-shot": 0.02, "pipelining": 0.02, "uploader": 0.05}


def park(program: Program) -> int:
    """Restarts it, waits until the generation that served is parked, and gives the pid of the one that serves."""
    mark = program.mark()
    program.hup()
    found = program.wait_for(r"generation \d+ \(pid (\d+)\) serves, on probation for [\d.]+ s: parked", since=mark)
    return int(found[1])


def ask_rollback(program: Program) -> None:
    """As `hotswap rollback` does, which then waits."""
    (board,) = list_servers(str(program.folder / "run" / "hotswap"))
    with contextlib.closing(board):
        board.ask_rollback(board.attempt_counter)
