"""The promise: restarts under load from every kind of client, and no client notices."""

from __future__ import annotations

import pytest

from tests.harness import Program
from tests.traffic import Result, Traffic

RESTARTS = 30

CLIENTS = {
    "keep-alive": 8,
    "one-shot": 3,
    "pipelining": 2,
    "uploader": 1,
    "slow-reader": 1,
    "slow-writer": 3,
    "idle": 8,
}


def assert_nobody_noticed(result: Result) -> None:
    """Outcomes by class: everything but success is zero, and the server closed nothing."""
    assert result.failures == {}, result
    assert result.closed_by_server == 0, result


@pytest.mark.timeout(180)
def test_thirty_restarts_under_load(program: Program) -> None:
    """Thirty deploys with a SIGHUP each: every request is answered, and no connection is closed by the server."""
    program.start()
    with Traffic(program.address, CLIENTS, seconds=120) as traffic:
        for number in range(2, RESTARTS + 2):
            program.deploy(version=str(number))
            program.restart(deadline=30)
            traffic.restarted()
    result = traffic.result()
    assert_nobody_noticed(result)
    assert str(RESTARTS + 1) in result.versions
    program.settle()
    assert program.stop() == 0


def test_restarts_under_load_on_a_unix_socket(program: Program) -> None:
    """The same on a unix socket, whose path stays the same file all the time."""
    path = program.folder / "s.sock"
    program.start(address=f"unix:{path}")
    identity = path.stat().st_ino
    with Traffic(program.address, {"keep-alive": 4, "one-shot": 2}, seconds=60) as traffic:
        for _ in range(3):
            program.restart()
            traffic.restarted()
            assert path.stat().st_ino == identity
    assert_nobody_noticed(traffic.result())
    program.settle()
    assert program.stop() == 0
    assert not path.exists()
