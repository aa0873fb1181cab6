"""The figures of a server, from its scoreboard."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hotswap
from hotswap.apps.interface import Interface, interface_of
from hotswap.monitoring.families import families_of
from hotswap.monitoring.text_format import CONTENT_TYPE, render
from hotswap.scoreboard import Scoreboard
from tests.harness import ROOT
from tests.live import starts_processes
from tests.monitoring.reading import read, went_back
from tests.system.boards import successor


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Scoreboard]:
    """One of this process."""
    made = Scoreboard.create(str(tmp_path), "shop")
    yield made
    made.close()


def test_the_figures_of_a_server(board: Scoreboard) -> None:
    """Each is where the slots, the tallies and the attempts say it is."""
    server = board.take_slot(2, "server")
    server.set_state("serving")
    server.update(connections=7, in_flight=2)
    server.tally.set(
        succeeded=10, redirected=1, client_errors=2, server_errors=3, unavailable=4, unanswered=5, health=6,
        abandoned=7, refused=8, cut=9, accepted=11, adopted=12, handed_over=13,
    )  # fmt: skip
    board.count(worker_deaths=1)
    board.end_attempt(board.begin_attempt(2), True)
    board.end_attempt(board.begin_attempt(3), False, text="broken")
    figures = read(render(families_of(board)))
    expected = {
        "hotswap_up": 1,
        "hotswap_generation": 2,
        "hotswap_lame_duck": 0,
        'hotswap_restarts_total{outcome="ok"}': 1,
        'hotswap_restarts_total{outcome="failed"}': 1,
        "hotswap_restart_duration_seconds_count": 1,
        'hotswap_requests_total{class="2xx"}': 10,
        'hotswap_requests_total{class="3xx"}': 1,
        'hotswap_requests_total{class="4xx"}': 2,
        'hotswap_requests_total{class="5xx"}': 7,
        "hotswap_requests_unanswered_total": 5,
        "hotswap_health_answers_total": 6,
        "hotswap_requests_abandoned_total": 7,
        "hotswap_requests_refused_total": 8,
        "hotswap_requests_cut_total": 9,
        "hotswap_requests_in_flight": 2,
        "hotswap_connections": 7,
        "hotswap_connections_accepted_total": 11,
        "hotswap_connections_adopted_total": 12,
        "hotswap_connections_moved_total": 13,
        'hotswap_processes{role="server",state="serving"}': 1,
        "hotswap_processes_lingering": 0,
        "hotswap_worker_deaths_total": 1,
        f'hotswap_info{{version="{hotswap.__version__}"}}': 1,
    }
    assert {name: figures.get(name) for name in expected} == expected
    assert set(figures) - set(expected) == {
        "hotswap_start_time_seconds", "hotswap_generation_start_time_seconds", "hotswap_restart_duration_seconds_sum",
        "hotswap_time_to_ready_seconds",
    }  # fmt: skip


def test_the_documentation_has_them_all(board: Scoreboard) -> None:
    """docs/metrics.md lists every family, with its type, and no other."""
    board.take_slot(1, "server").set_state("serving")
    board.end_attempt(board.begin_attempt(2), True)
    page = (ROOT / "docs" / "metrics.md").read_text()
    listed = re.findall(r"^\| `(hotswap_\w+)` \| (\w+) \|", page, re.MULTILINE)
    assert sorted(listed) == sorted((family.name, family.kind) for family in families_of(board))


@starts_processes
def test_a_process_that_lingers(board: Scoreboard) -> None:
    """It is one of the server's still."""
    board.take_slot(2, "server").set_state("serving")
    with successor(board, "retiring", generation=1) as other:
        other.do("board.linger(slot, has_stopped=False)")
        figures = read(render(families_of(board)))
    assert figures['hotswap_processes{role="server",state="lingering"}'] == 1
    assert figures["hotswap_processes_lingering"] == 1


def test_nothing_goes_back_when_a_process_goes(board: Scoreboard) -> None:
    """A slot that another generation takes, and a server of which none serves."""
    first = board.take_slot(1, "server")
    first.set_state("serving")
    first.tally.set(succeeded=10, unclassified=3)
    before = read(render(families_of(board)))
    assert before['hotswap_requests_total{class="unknown"}'] == 3
    first.release()
    after = read(render(families_of(board)))
    assert went_back(before, after) == []
    assert after["hotswap_up"] == 0
    assert "hotswap_generation" not in after
    board.take_slot(2, "server").tally.set(succeeded=1)
    assert read(render(families_of(board)))['hotswap_requests_total{class="2xx"}'] == 11


class Started:
    """What a WSGI application says to `start_response`."""

    status = ""
    headers: dict[str, str] = {}  # noqa: RUF012

    def __call__(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status, self.headers = status, dict(headers)


def wsgi(method: str) -> tuple[str, dict[str, str], bytes]:
    """Asks `hotswap.metrics` as a WSGI server does."""
    started = Started()
    body = b"".join(hotswap.metrics({"REQUEST_METHOD": method}, started))
    return started.status, started.headers, body


def asgi(scope: dict[str, Any]) -> list[dict[str, Any]]:
    """Asks `hotswap.metrics` as an ASGI server does."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing is to be received")

    asyncio.run(hotswap.metrics(scope, receive, send))
    return sent


def test_the_application(board: Scoreboard) -> None:
    """The same over HTTP, by WSGI and by ASGI."""
    board.take_slot(1, "server").set_state("serving")
    status, headers, body = wsgi("GET")
    assert (status, headers["Content-Type"], headers["Content-Length"]) == ("200 OK", CONTENT_TYPE, str(len(body)))
    assert read(body.decode())["hotswap_generation"] == 1
    assert wsgi("HEAD")[2] == b""
    start, end = asgi({"type": "http", "method": "GET"})
    assert (start["status"], dict(start["headers"])[b"content-type"]) == (200, CONTENT_TYPE.encode())
    assert set(read(end["body"].decode())) == set(read(body.decode()))


def test_what_the_application_refuses(board: Scoreboard) -> None:
    """Other methods, and other protocols: an ASGI server takes that as "no lifespan"."""
    status, headers, _ = wsgi("POST")
    assert (status, headers["Allow"]) == ("405 Method Not Allowed", "GET, HEAD")
    with pytest.raises(RuntimeError, match="answers HTTP requests only, not lifespan"):
        asgi({"type": "lifespan"})


def test_where_hotswap_does_not_serve() -> None:
    """In `flask run`, or a test client: it says so."""
    assert wsgi("GET")[0] == "503 Service Unavailable"
    assert interface_of(hotswap.metrics) is Interface.UNKNOWN
