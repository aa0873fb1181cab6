"""Metrics of a real server: over HTTP and by the command, while generations and workers come and go."""

from __future__ import annotations

from signal import SIGKILL

import pytest

from tests import asking
from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import Program
from tests.monitoring.reading import Figures, read, went_back
from tests.restart.clusters import settle, wait_workers
from tests.traffic import Traffic

CLIENTS = {"keep-alive": 3, "one-shot": 1}


def figures(program: Program) -> Figures:
    """What `hotswap metrics` writes."""
    found = hotswap(program, "metrics")
    assert (found.returncode, found.stderr) == (0, "")
    return read(found.stdout)


def written(program: Program, name: str, least: float) -> Figures:
    """The same, when a figure is at least so high: a process writes down once a second what it has done."""

    def high_enough() -> Figures | None:
        found = figures(program)
        return found if found.get(name, 0.0) >= least else None

    return eventually(high_enough, f"{name} does not come to {least}")


@pytest.mark.parametrize("workers", [0, 2])
def test_counters_never_go_back(program: Program, workers: int) -> None:
    """Not at a restart, not at one that fails, not when a worker, or the server under its starter, is killed; and over
    all of them no request is missing but what the killed one had not written down."""
    program.start(workers=workers, stable_pid="on")
    with Traffic(program.address, CLIENTS, seconds=60) as traffic:
        eventually(lambda: traffic.snapshot().requests > 200)
        before = written(program, 'hotswap_requests_total{class="2xx"}', 100)
        program.deploy(version="2")
        program.restart()
        traffic.restarted()
        after = figures(program)
        assert went_back(before, after) == []
        program.deploy(text="import nonsense")
        mark = program.mark()
        program.hup()
        program.wait_for("restart failed", since=mark)
    result = traffic.result()
    assert result.failures == {}, result
    assert {program.get("/fail/x").status for _ in range(3)} == {500}
    assert program.get("/nothing").status == 404
    settled = written(program, 'hotswap_requests_total{class="2xx"}', result.requests)
    assert settled['hotswap_requests_total{class="2xx"}'] == result.requests
    found = written(program, 'hotswap_requests_total{class="5xx"}', 3)
    assert (found['hotswap_requests_total{class="5xx"}'], found["hotswap_generation"]) == (3, 2)
    found = written(program, 'hotswap_requests_total{class="4xx"}', 1)
    assert went_back(after, found) == []
    assert found['hotswap_restarts_total{outcome="ok"}'] == found['hotswap_restarts_total{outcome="failed"}'] == 1
    assert 0 < found["hotswap_restart_duration_seconds_sum"] < 60
    assert found["hotswap_connections_moved_total"] == found["hotswap_connections_adopted_total"] > 0
    if workers:
        killed = wait_workers(program, workers)[0]
        program.send(SIGKILL, killed)
        wait_workers(program, workers, without=(killed,))
        assert went_back(found, written(program, "hotswap_worker_deaths_total", 1)) == []
    else:
        program.wait_for("its process is the starter now")  # until then, generation 1 would serve again
        program.deploy(app="plain")
        mark = program.mark()
        program.send(SIGKILL)
        program.wait_for("serving at", since=mark)
        assert went_back(found, figures(program)) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_over_http(program: Program, workers: int) -> None:
    """`hotswap.metrics` at an address of its own: whichever worker answers, the figures are the server's."""
    program.start(
        workers=workers,
        text="import hotswap\nADDRESS = ''\nSETTINGS = {}\n"
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'hello']\n"
        "hotswap.serve({'127.0.0.1:0': app, 'unix:metrics.sock': hotswap.metrics}, **SETTINGS)\n",
    )
    for _ in range(10):
        assert program.get("/").status == 200
    sock = f"unix:{program.folder / 'metrics.sock'}"

    def counted() -> bool:
        answer = asking.get(sock, "/anything")
        found = read(answer.body.decode())
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert found["hotswap_generation"] == 1
        return found['hotswap_requests_total{class="2xx"}'] >= 10

    eventually(counted)
    if workers:
        settle(program)
