"""The starter ends with the status of the server, whichever process is the parent of that."""

from __future__ import annotations

import signal

import pytest

from hotswap.starter.exit_statuses import ExitStatuses
from tests.asking import connect, read_answer, request
from tests.harness import Program
from tests.restart.gates import open_gate, wait_at
from tests.starter.test_deaths import WAYS


@pytest.mark.parametrize("way", WAYS)
def test_the_predecessor_is_its_parent_and_still_there(program: Program, way: str) -> None:
    """It has a request left when the server has stopped."""
    program.deploy(below=("endings.with_status", 3))
    WAYS[way](program)
    predecessor = program.serving_generation
    with connect(program.address) as client:
        client.sendall(request("/gated/last"))
        wait_at(program, "last")
        program.send(signal.SIGHUP, program.pid)
        program.wait_for(rf"generation {predecessor + 1} .* serves: retiring")
        program.send(signal.SIGTERM, program.pid)
        program.wait_for(rf"gen={predecessor + 1} .* stopped\n")
        open_gate(program, "last")
        assert read_answer(client).status == 200
    assert program.wait_status() == 3


def test_generation_1_is_its_parent_and_no_starter_yet(program: Program) -> None:
    """A stop while it retires, which it passes on."""
    program.start(stable_pid="on", below=("endings.with_status", 3))
    with connect(program.address) as client:
        client.sendall(request("/gated/last"))
        wait_at(program, "last")
        program.send(signal.SIGHUP, program.pid)
        program.wait_for("generation 2 .* serves: retiring")
        program.send(signal.SIGTERM, program.pid)
        program.wait_for(r"gen=2 .* stopped\n")
        open_gate(program, "last")
        assert read_answer(client).status == 200
    assert program.wait_status() == 3


def test_a_status_that_is_learnt_late() -> None:
    """Its parent tells it when the server counts as stopped already; a stranger's is no server's."""
    statuses = ExitStatuses()
    statuses.expect(7)
    statuses.count(7, statuses.take(7))
    statuses.learn(8, 1)
    assert statuses.result == 0
    statuses.learn(7, -9)
    assert statuses.result == 128 + 9


def test_the_first_that_is_no_success() -> None:
    """Of two generations that stop together."""
    statuses = ExitStatuses()
    for code in (0, 3, 4, 0):
        statuses.give(code)
    assert statuses.result == 3


def test_a_status_is_taken_once() -> None:
    """The pid may be another process's afterwards."""
    statuses = ExitStatuses()
    statuses.expect(7)
    statuses.learn(7, 5)
    assert [statuses.take(7), statuses.take(7)] == [5, None]


def test_the_end_by_what_stops_it() -> None:
    """The second SIGTERM may come when the program has its default again."""
    statuses = ExitStatuses()
    statuses.count(7, -signal.SIGTERM)
    statuses.count(8, None)
    statuses.learn(8, -signal.SIGTERM)
    assert statuses.result == 0
