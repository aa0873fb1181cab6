"""Where the pid stays, with a generation parked: any of them is killed at random moments, and rolled back to, with
one-shot clients.

HOTSWAP_KILLS=10 has ten times as many runs.
"""

from __future__ import annotations

import contextlib
import random
import select
import signal

import pytest

from hotswap.scoreboard import list_servers
from tests.eventually import eventually
from tests.harness import Program
from tests.processes import ProcessTree
from tests.restart.parking import LONG, ask_rollback
from tests.starter.one_shots import OneShots
from tests.starter.test_pid_stays import STANDS, run
from tests.starter.test_random_kills import TIMES, kill_a_generation

STEPS = 4


def behind_run(program: Program) -> None:
    """The starter was there first."""
    program.start("--probation", str(LONG), command=run(program))


def behind_serve(program: Program) -> None:
    """Generation 1 has become the starter."""
    program.start(stable_pid="on")
    program.restart()
    program.wait_for(STANDS)
    program.deploy(probation=LONG)


def to_be_the_starter(program: Program) -> None:
    """Generation 1 will be the starter, and is parked."""
    program.start(stable_pid="on", probation=LONG)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", [behind_run, behind_serve, to_be_the_starter])
@pytest.mark.parametrize("seed", range(TIMES))
def test_any_of_them(program: Program, process_tree: ProcessTree, way: object, seed: int) -> None:
    """No client is refused, what is lost had been connected before a process died, and the next restart works."""
    assert callable(way)
    way(program)
    chance = random.Random(seed)
    with OneShots(program.address, 6) as clients:
        for _ in range(STEPS):
            program.send(signal.SIGHUP, program.pid)
            select.select([], [], [], chance.choice([chance.uniform(0.0, 0.6), chance.uniform(0.5, 1.5)]))
            before, what = len(clients.lost), chance.random()
            if what < 0.4:
                ask_rollback(program)
                select.select([], [], [], chance.uniform(0.0, 0.3))
            died = kill_a_generation(program, chance) if what > 0.2 else None
            clients.wait_answers()
            for lost in clients.lost[before:]:
                assert not lost.refused, lost
                assert died is not None, lost
                assert lost.began < died, lost
        highest = max(program.generations())
        program.send(signal.SIGHUP, program.pid)
        eventually(lambda: max(program.generations()) > highest, "no restart")
    # A SIGTERM that comes together with the successor's is one.
    eventually(lambda: states(program) <= {"serving", "parked", "retiring"}, "the swap is not through")
    assert "Traceback" not in program.text()
    program.send(signal.SIGTERM, program.pid)
    program.wait_status()
    eventually(lambda: all(each.zombie for each in process_tree.left()), "a process stays")


def states(program: Program) -> set[str]:
    """Of its processes, now."""
    (board,) = list_servers(str(program.folder / "run" / "hotswap"))
    with contextlib.closing(board):
        return {view.state for view in board.slots()}
