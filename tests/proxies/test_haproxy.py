"""HAProxy in front, which checks the server, keeps connections and sends PROXY v2: it sees no restart either."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.asking import read_answer, request
from tests.eventually import eventually
from tests.harness import Program
from tests.proxies.haproxy import HAProxy, Request
from tests.proxies.load import load
from tests.restart.test_load import assert_nobody_noticed

pytestmark = pytest.mark.needs("haproxy", "haproxy")


@pytest.mark.timeout(120)
def test_twenty_restarts(program: Program, proxy_folder: Path) -> None:
    """No client notices, HAProxy sends no request again and has no status but 200; it has opened no more than one
    connection for each client's; its checks have never failed.
    """
    program.start(proxy_protocol="v2", health="/healthz")
    haproxy = HAProxy(proxy_folder, "haproxy.cfg", {"127.0.0.1:8000": program.address})
    with load(haproxy.address) as traffic:
        for _ in range(20):
            program.restart(deadline=30)
    result = traffic.result()
    assert_nobody_noticed(result)
    eventually(lambda: len(haproxy.asked()) >= result.requests)  # it writes the last line behind the answer
    asked = haproxy.asked()
    assert len(asked) == result.requests
    assert set(asked) == {Request("shop1", 200, "----", "0")}
    counts = haproxy.counts("shop1")
    # A client that is stopped before it has asked has no connection behind HAProxy.
    assert int(counts["connect"]) <= result.opened
    assert (counts["status"], counts["chkdown"]) == ("UP", "0")
    assert len(program.generations()) == 21
    assert client_seen(haproxy.address) == "127.0.0.9"


def client_seen(address: str) -> str:
    """The REMOTE_ADDR of a client whose own address is 127.0.0.9."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10, source_address=("127.0.0.9", 0)) as client:
        client.sendall(request("/client"))
        seen, _ = json.loads(read_answer(client).body)
    assert isinstance(seen, str)
    return seen
