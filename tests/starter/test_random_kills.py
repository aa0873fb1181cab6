"""Processes are killed at random moments of a restart, with twenty one-shot clients: 20 seeded times in the suite.

HOTSWAP_KILLS=10 has ten times as many: 200.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import socket
import time

import pytest

from tests.eventually import eventually
from tests.harness import Program
from tests.processes import ProcessTree, descendants, look
from tests.starter.one_shots import OneShots
from tests.starter.test_deaths import WAYS

TIMES = int(os.environ.get("HOTSWAP_KILLS", "1"))
#: More of one server would only wait: it comes back after 0, 1, 2, 4 … s.
KILLS_OF_A_SERVER = 4
#: A restart takes so long (seconds) until the predecessor has nothing left but its wait.
RESTART = 0.6
SEEDS_FOR_SERVERS = [*(("run", seed) for seed in range(2 * TIMES)), *(("serve", seed) for seed in range(TIMES))]
SEEDS_FOR_STARTERS = [*(("run", seed) for seed in range(5 * TIMES)), *(("serve", seed) for seed in range(3 * TIMES))]


def begin_restart(program: Program, chance: random.Random) -> None:
    """Returns at a random moment of it."""
    program.send(signal.SIGHUP, program.pid)
    select.select([], [], [], chance.uniform(0.0, RESTART))


def kill_a_generation(program: Program, chance: random.Random) -> float | None:
    """One of those that are there, be it booting, serving or retiring; when it was dead (time.monotonic())."""
    living = sorted(each.pid for each in descendants(program.pid) if not each.zombie)
    if not living:
        return None  # the starter is about to start one
    pid = chance.choice(living)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: (process := look(pid)) is None or process.zombie, f"{pid} does not die")
    return time.monotonic()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("way", "seed"), SEEDS_FOR_SERVERS)
def test_the_server(program: Program, process_tree: ProcessTree, way: str, seed: int) -> None:
    """No client is refused, and what is lost had been connected before the process died; the next restart works."""
    chance = random.Random(seed)
    WAYS[way](program)
    with OneShots(program.address) as clients:
        for _ in range(KILLS_OF_A_SERVER):
            begin_restart(program, chance)
            before = len(clients.lost)
            died = kill_a_generation(program, chance)
            clients.wait_answers()
            for lost in clients.lost[before:]:
                assert not lost.refused, lost
                assert died is not None, lost
                assert lost.began < died, lost
        highest = max(program.generations())
        program.send(signal.SIGHUP, program.pid)
        eventually(lambda: max(program.generations()) > highest, "no restart")
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() in (0, 128 + signal.SIGKILL)
    assert [each for each in process_tree.left() if not each.zombie] == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("way", "seed"), SEEDS_FOR_STARTERS)
def test_the_starter(program: Program, process_tree: ProcessTree, way: str, seed: int) -> None:
    """Another server can bind within a second, and nothing stays."""
    chance = random.Random(seed)
    WAYS[way](program)
    with OneShots(program.address):
        begin_restart(program, chance)
        program.send(signal.SIGKILL, program.pid)
        eventually(lambda: can_bind(program.port), "the port is still in use", deadline=1.0)
    eventually(lambda: all(each.zombie for each in process_tree.left()), "a process stays")


def can_bind(port: int) -> bool:
    """Whether a new server could listen there."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
