"""The promise with forked workers: restarts, and workers that come and go, and no client notices."""

from __future__ import annotations

import random
import re
import signal

import pytest

from tests.eventually import eventually
from tests.harness import Program
from tests.restart.clusters import serving, settle, wait_workers, workers
from tests.restart.test_load import CLIENTS, assert_nobody_noticed
from tests.traffic import Traffic

RESTARTS = 30


@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", [2, 4])
def test_thirty_restarts_under_load(program: Program, number: int) -> None:
    """Thirty deploys with a SIGHUP each: every request is answered, and no connection is closed by the server."""
    program.start(workers=number)
    with Traffic(program.address, CLIENTS, seconds=120) as traffic:
        for version in range(2, RESTARTS + 2):
            program.deploy(version=str(version))
            program.restart(deadline=30)
            traffic.restarted()
    result = traffic.result()
    assert_nobody_noticed(result)
    assert str(RESTARTS + 1) in result.versions
    settle(program)
    assert len(workers(program)) == number
    assert program.stop() == 0


@pytest.mark.parametrize("number", [1, 2])
def test_max_requests_closes_nothing(program: Program, number: int) -> None:
    """Workers are recycled all the time, and every connection lives on in another one."""
    program.start(workers=number, max_requests=100, max_requests_jitter=20)
    first = set(wait_workers(program, number))
    with Traffic(program.address, {"keep-alive": 8, "pipelining": 2, "idle": 4}, seconds=60) as traffic:
        program.wait_for(r"(?s)(asks for a replacement .*){6}", deadline=30)
        traffic.restarted()
    assert_nobody_noticed(traffic.result())
    assert not first & set(workers(program))
    assert program.stop() == 0


def test_more_and_fewer_workers_under_load(program: Program) -> None:
    """TTIN and TTOU change how many workers there are; one that goes hands its connections to the others."""
    program.start(workers=2)
    with Traffic(program.address, {"keep-alive": 8, "one-shot": 2, "idle": 4}, seconds=60) as traffic:
        for number, how_many in [(signal.SIGTTIN, 3), (signal.SIGTTOU, 2), (signal.SIGTTOU, 1), (signal.SIGTTIN, 2)]:
            program.send(number)
            wait_workers(program, how_many)
            traffic.restarted()
    assert_nobody_noticed(traffic.result())
    program.send(signal.SIGTTOU)
    wait_workers(program, 1)
    program.send(signal.SIGTTOU)
    program.wait_for("the last worker stays")
    assert program.stop() == 0


def test_rolling_replacement_by_term(program: Program) -> None:
    """TERM to a worker: its replacement serves before it leaves, and it closes nothing."""
    program.start(workers=2)
    with Traffic(program.address, {"keep-alive": 8, "one-shot": 2}, seconds=60) as traffic:
        for _ in range(3):
            before = tuple(wait_workers(program, 2))
            for pid in before:
                program.send(signal.SIGTERM, pid)
            wait_workers(program, 2, without=before)
    assert_nobody_noticed(traffic.result())
    assert program.stop() == 0


#: What clients meet whose connection the killed process had. Others meet nothing, above all not "refused".
LOST_WITH_IT = {"reset", "reset_mid_answer", "reset_after_answer", "closed_without_answer", "closed_mid_answer"}


def test_kill_9_of_workers_under_load(program: Program) -> None:
    """Only what the killed worker was serving fails; no client is refused, what waits in the accept queue is served."""
    program.start(workers=2)
    clients = {"one-shot": 6, "keep-alive": 4}
    kills = 4
    with Traffic(program.address, clients, seconds=60) as traffic:
        for _ in range(kills):
            before = wait_workers(program, 2)
            victim = random.choice(before)
            program.send(signal.SIGKILL, victim)
            program.wait_for(rf"pid {victim}\) was killed by SIGKILL")
            wait_workers(program, 2, without=(victim,))
            traffic.wait(0.2)
    result = traffic.result()
    for classes in result.failures.values():
        assert set(classes) <= LOST_WITH_IT, result
    # Each client has one connection, and loses it at most once a kill.
    assert result.failed <= kills * sum(clients.values()), result
    assert result.requests > 100
    assert len(re.findall("replaced in", program.text())) < kills
    assert program.stop() == 0


def test_rolling_replacement_by_age(program: Program) -> None:
    """workers_lifetime: they are replaced all the time, one after the other, and as many as there should be serve."""
    program.start(post_worker_init="tests.apps.hooks.begins_slowly", workers=2, workers_lifetime=1)
    ready = program.mark()
    numbers = []

    def replaced() -> bool:
        # Twice: between the list and a look at the titles the one may have followed the other.
        numbers.append(len(serving(program) | serving(program)))
        return program.text().count("has left") >= 5

    with Traffic(program.address, {"keep-alive": 8, "one-shot": 2, "idle": 4}, seconds=60) as traffic:
        eventually(replaced, "workers do not grow old")
        traffic.restarted()
    assert_nobody_noticed(traffic.result())
    assert min(numbers) >= 2
    begun = re.findall("^beg.n$", program.text()[ready:], re.MULTILINE)
    assert begun[:8] == ["begin", "begun"] * 4, "two at a time"
    assert program.stop() == 0
