"""`gunicorn -k hotswap.Worker`: unmodified gunicorn reloads, recycles and resizes, and no client notices."""

from __future__ import annotations

import signal

import pytest

from tests.eventually import eventually
from tests.harness import Program
from tests.many_connections import ManyConnections
from tests.restart.gunicorns import Gunicorn, assert_nobody_noticed

RELOADS = 3
MANY = 500


@pytest.fixture
def gunicorn(program: Program) -> Gunicorn:
    """One that has not been started yet."""
    return Gunicorn(program)


@pytest.mark.parametrize("number", [1, 2])
def test_hup_under_load(gunicorn: Gunicorn, number: int) -> None:
    """Several reloads with new code: all requests are answered, all connections stay open."""
    gunicorn.start(workers=number)
    with gunicorn.traffic(keep_alive=8, one_shot=2, idle=4, pipelining=2) as traffic:
        for version in range(2, RELOADS + 2):
            before = tuple(gunicorn.workers())
            gunicorn.program.deploy(version=str(version))
            gunicorn.program.send(signal.SIGHUP, gunicorn.pid)
            gunicorn.wait_serving(number, without=before)
            traffic.restarted()
    result = traffic.result()
    assert_nobody_noticed(result)
    assert str(RELOADS + 1) in result.versions
    assert gunicorn.stop() == 0


@pytest.mark.parametrize("number", [1, 2])
def test_an_asgi_application(gunicorn: Gunicorn, number: int) -> None:
    """The same for ASGI: every worker starts the application up before it serves, and shuts it down."""
    gunicorn.program.deploy(app="asgi")
    test_hup_under_load(gunicorn, number)
    said = gunicorn.program.text()
    assert said.count("startup in") == said.count("shutdown in") == number * (RELOADS + 1)


@pytest.mark.parametrize("number", [1, 2])
def test_max_requests_under_load(gunicorn: Gunicorn, number: int) -> None:
    """Workers end all the time, gunicorn forks the next one only then, and every connection lives on."""
    gunicorn.start("--max-requests", "50", workers=number)
    with gunicorn.traffic(keep_alive=8, idle=4, pipelining=2) as traffic:
        eventually(lambda: len(gunicorn.served()) >= number + 3, "workers are not recycled")
        traffic.restarted()
        eventually(lambda: len(gunicorn.served()) >= number + 4, "workers are not recycled")
    assert_nobody_noticed(traffic.result())
    assert gunicorn.stop() == 0


def test_ttin_and_ttou_under_load(gunicorn: Gunicorn) -> None:
    """Workers come, and those that go hand their connections to the others."""
    gunicorn.start(workers=2)
    with gunicorn.traffic(keep_alive=8, one_shot=2, idle=4) as traffic:
        for number, how_many in [(signal.SIGTTIN, 3), (signal.SIGTTOU, 2), (signal.SIGTTOU, 1), (signal.SIGTTIN, 2)]:
            gunicorn.program.send(number, gunicorn.pid)
            gunicorn.wait_serving(how_many)
            traffic.restarted()
    assert_nobody_noticed(traffic.result())
    assert gunicorn.stop() == 0


def test_many_idle_connections_outlive_the_only_worker(gunicorn: Gunicorn) -> None:
    """With -w 1 no worker is there while one follows the other: connections wait in the exchange."""
    gunicorn.start("--max-requests", "1000")
    with ManyConnections(gunicorn.address, MANY) as clients:
        for recycled in (1, 2):
            while len(gunicorn.served()) <= recycled:
                assert clients.get("/version") == {b"1": MANY}
            assert clients.readable() == 0
        assert clients.get("/version") == {b"1": MANY}
    assert gunicorn.stop() == 0
