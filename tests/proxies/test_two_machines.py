"""Two servers in network namespaces of their own behind HAProxy: deployed in turn, and one of them killed."""

from __future__ import annotations

import http.client
import signal
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.harness import Program
from tests.proxies.haproxy import HAProxy, Request
from tests.proxies.load import load
from tests.proxies.machines import network
from tests.restart.gates import open_gate
from tests.restart.test_load import assert_nobody_noticed
from tests.traffic import Traffic

DOWNLOAD = 50_000_000
"""Bytes, more than all buffers on the way hold."""

pytestmark = [
    pytest.mark.needs("haproxy", "haproxy"),
    pytest.mark.needs("ip", "iproute2"),
    pytest.mark.needs("nsenter", "util-linux"),
]


class Site(NamedTuple):
    """Two servers, and the balancer in front of them."""

    haproxy: HAProxy
    programs: list[Program]


@pytest.fixture
def site(programs: Callable[[str], Program], proxy_folder: Path) -> Site:
    """All three run, by the page's file for several machines and with its addresses."""
    balancer, machines = network(["10.0.0.11/24", "10.0.0.12/24"])
    servers = [programs("shop1"), programs("shop2")]
    for server, machine in zip(servers, machines, strict=True):
        command = [*machine.inside, server.python, str(server.script)]
        server.start(command=command, address="0.0.0.0:8000", health="/healthz", lame_duck=4)
    haproxy = HAProxy(proxy_folder, "several.cfg", {}, inside=balancer.inside)
    return Site(haproxy, servers)


@pytest.mark.timeout(120)
def test_deployed_in_turn(site: Site) -> None:
    """No client notices, HAProxy sends no request again, keeps its connections, and no check fails."""
    haproxy, servers = site
    with load(haproxy.address) as traffic:
        for version in ("2", "3"):
            for server in servers:
                server.deploy(version=version)
                server.restart(deadline=30)
        eventually(lambda: "3" in traffic.snapshot().versions)
    result = traffic.result()
    assert_nobody_noticed(result)
    well = {Request(name, 200, "----", "0") for name in ("shop1", "shop2")}
    assert set(haproxy.asked()) == well
    for name in ("shop1", "shop2"):
        counts = haproxy.counts(name)
        assert (counts["status"], counts["chkdown"]) == ("UP", "0")
        assert int(counts["connect"]) <= 8, "as many connections as it has clients at a time"


@pytest.mark.timeout(120)
def test_one_is_stopped(site: Site) -> None:
    """No client notices: the server says that it is about to leave, and HAProxy sends it no client any more."""
    haproxy, (stopped, _) = site
    with load(haproxy.address) as traffic:
        eventually(lambda: traffic.snapshot().requests > 100)
        assert stopped.stop() == 0
        assert "Server shop/shop1 is DOWN" in haproxy.text()
    assert_nobody_noticed(traffic.result())
    assert {(asked.status, asked.ended, asked.retries) for asked in haproxy.asked()} == {(200, "----", "0")}


@pytest.mark.timeout(120)
def test_one_is_killed(site: Site) -> None:
    """Clients that ask by GET do not notice, also those whose request the killed server had: the other answers it. A
    POST that it had gets 502, and is not sent again. An answer that had begun ends in the middle.
    """
    haproxy, (killed, other) = site
    with Traffic(haproxy.address, {"keep-alive": 4, "one-shot": 2}, seconds=60, pauses={"keep-alive": 0.01}) as traffic:
        gets, posts = held_up(site, "GET"), held_up(site, "POST")
        lost = stands(killed, "POST")
        reader = download_from(haproxy, killed)
        for pid in killed.alive():
            killed.send(signal.SIGKILL, pid)
        eventually(lambda: "Server shop/shop1 is DOWN" in haproxy.text(), "HAProxy does not notice")
        with pytest.raises(http.client.IncompleteRead):
            reader.read()
        for method in ("GET", "POST"):
            open_gate(other, method)
        assert {(answer.status, answer.headers["x-pid"]) for answer in map(read_answer, gets)} == {
            (200, str(other.pid))
        }
        assert sorted(read_answer(client).status for client in posts) == [200] * (len(posts) - lost) + [502] * lost
    assert_nobody_noticed(traffic.result())
    assert stands(killed, "POST") + stands(other, "POST") == len(posts)
    # It writes a line behind its answer.
    eventually(lambda: Counter(asked.status for asked in haproxy.asked() if asked.status != 200) == {502: lost})


def download_from(haproxy: HAProxy, program: Program) -> http.client.HTTPResponse:
    """An answer of that server of which no more than the head has been read."""
    while True:
        connection = http.client.HTTPConnection(haproxy.address, timeout=30)
        connection.request("GET", f"/stream/{DOWNLOAD}?x", headers={"Connection": "close"})
        answer = connection.getresponse()
        if answer.headers["X-Pid"] == str(program.pid):
            return answer
        answer.close()


def held_up(site: Site, method: str) -> list[socket.socket]:
    """Clients whose requests are being served, one or more by the first server."""
    clients: list[socket.socket] = []
    while not stands(site.programs[0], method):
        clients.append(connect(site.haproxy.address, timeout=30))
        clients[-1].sendall(request(f"/gated/{method}", method=method))
        eventually(lambda: sum(stands(program, method) for program in site.programs) == len(clients))
    return clients


def stands(program: Program, gate: str) -> int:
    """How many requests have come to that gate of a server."""
    return program.text().count(f"at gate {gate}\n")
