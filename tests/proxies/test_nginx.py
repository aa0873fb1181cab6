"""nginx in front, with connections that it keeps: in its log there is no restart."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from pathlib import Path

import pytest

from tests.asking import connect, request
from tests.eventually import eventually
from tests.harness import Program
from tests.proxies.load import load
from tests.proxies.nginx import Nginx, Request
from tests.restart.test_load import assert_nobody_noticed
from tests.restart.test_websockets import HANDSHAKE, SOCKETS

pytestmark = pytest.mark.needs("nginx", "nginx-light")


def crossed(access_log: Path, pids: tuple[str, str]) -> bool:
    """Whether both processes have answered on one of nginx's connections."""
    ports: dict[str, set[str]] = defaultdict(set)
    for line in access_log.read_text().splitlines():
        port, pid = line.split()
        ports[pid].add(port)
    one, other = pids
    return bool(ports[one] & ports[other])


@pytest.mark.timeout(120)
def test_twenty_restarts(program: Program, proxy_folder: Path) -> None:
    """No client notices, nginx sends no request twice and has no status but 200; it keeps connections meanwhile."""
    access_log = program.folder / "access.log"
    program.start(accesslog=str(access_log), access_log_format="%({REMOTE_PORT}e)s %(p)s")
    nginx = Nginx(proxy_folder, program.address)
    with load(nginx.address) as traffic:
        for _ in range(20):
            before = program.serving_pid
            program.restart(deadline=30)
            pids = (f"<{before}>", f"<{program.serving_pid}>")
            eventually(partial(crossed, access_log, pids), "no connection of nginx was kept over a restart")
    result = traffic.result()
    assert_nobody_noticed(result)
    eventually(lambda: len(nginx.asked()) >= result.requests)  # it writes the last line behind the answer
    asked = nginx.asked()
    assert len(asked) == result.requests
    assert set(asked) == {Request("200", "200")}
    assert len(program.generations()) == 21


def test_a_websocket(program: Program, proxy_folder: Path) -> None:
    """The same file lets it through, and a restart leaves it alone."""
    program.start(text=SOCKETS)
    nginx = Nginx(proxy_folder, program.address)
    with connect(nginx.address) as client:
        client.sendall(request("/who", *HANDSHAKE))
        assert client.recv(4096).startswith(b"HTTP/1.1 101 ")
        program.deploy(version="2")
        program.restart()
        client.sendall(b"\x81\x85" + bytes(4) + b"hello")  # a text of five bytes, masked by zeroes: RFC 6455, 5.2
        assert client.recv(4096).endswith(b"hello from version 1")
