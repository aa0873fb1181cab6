"""Time limits that the loop keeps: heads, keep-alive, closing; and limits of what it accepts."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Callable, Iterator

import pytest

from tests.engine.apps import hello
from tests.engine.rig import Rig, request
from tests.eventually import eventually

MakeRig = Callable[..., Rig]


def test_a_head_that_takes_too_long_is_408(rig: MakeRig) -> None:
    """Counted from its first byte: sending on, slowly, does not help."""
    client = rig(hello, head_timeout=0.2).connect()
    client.send(b"GET / HTTP/1.1\r\n")
    answer = client.read()
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert client.closed()


def test_an_idle_connection_is_closed_after_keepalive(rig: MakeRig) -> None:
    """Without a word: a 408 would be read as the answer to the next request."""
    client = rig(hello, keepalive=0.1).connect()
    assert client.get().status == 200
    assert client.closed()


def test_a_connection_without_any_request_is_closed_quietly(rig: MakeRig) -> None:
    """A browser's spare connection."""
    assert rig(hello, head_timeout=0.1).connect().closed()


def test_keepalive_zero_closes_after_each_answer(rig: MakeRig) -> None:
    """gunicorn's meaning of keepalive 0; the request itself has the head's time to come."""
    client = rig(hello, settings={"keepalive": 0}).connect()
    assert client.get().headers["connection"] == "close"
    assert client.closed()


def test_closing_waits_for_the_peer_and_not_for_ever(rig: MakeRig) -> None:
    """After our FIN the connection stays until the peer's, at most the FIN deadline; other clients do not notice."""
    make = rig(hello, fin_timeout=0.2)
    client = make.connect()
    client.get("/", "Connection: close")
    assert client.closed()
    assert make.engine.counters.connections == 1
    assert make.get().status == 200
    client.send(b"ignored")
    eventually(lambda: make.engine.counters.connections <= 1)


def test_an_answer_is_whole_though_the_client_still_sends(rig: MakeRig) -> None:
    """A refused upload of any speed gets its answer, not a reset."""
    make = rig(hello)
    for _ in range(20):
        client = make.connect()
        client.send(request("/", "Content-Length: x", method="POST") + b"y" * 200_000)
        assert client.read().status == 400
        assert client.closed()


def test_worker_connections_is_a_limit_and_not_an_end(rig: MakeRig) -> None:
    """Beyond it nothing is accepted; when one ends, the next that waits is."""
    make = rig(hello, settings={"worker_connections": 2})
    first, second, third = (make.connect() for _ in range(3))
    assert first.get().status == 200
    assert second.get().status == 200
    third.send(request("/third"))
    eventually(lambda: any("accepting pauses" in text for text in make.log.said("warning")))
    assert make.engine.counters.accepted == 2
    first.close()
    assert third.read().body == b"/third"


def test_adopted_connections_do_not_count_against_the_limit(rig: MakeRig) -> None:
    """They were accepted elsewhere: a full server still takes over another's clients, and still accepts its own."""
    make = rig(hello, settings={"worker_connections": 1})
    adopted = [make.adopted() for _ in range(5)]
    assert make.get().status == 200
    for client in adopted:
        assert client.get().status == 200


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 12, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_running_out_of_descriptors_is_survived(rig: MakeRig, few_descriptors: None) -> None:
    """EMFILE at accept: the log says so once, those who have a connection are served, and later the others
    are too.
    """
    make = rig(hello)
    first = make.connect()
    assert first.get().status == 200
    fillers: list[int] = []
    waiting = socket.socket()
    try:
        while True:
            fillers.append(os.dup(waiting.fileno()))
    except OSError:
        pass
    waiting.settimeout(10)
    waiting.connect(make.address)
    waiting.sendall(request("/late"))
    eventually(lambda: any("cannot accept" in text for text in make.log.said("warning")))
    assert first.get().status == 200
    for fd in fillers:
        os.close(fd)
    assert waiting.recv(1000).endswith(b"/late")
    waiting.close()


def test_idle_connections_cost_no_processor_time(rig: MakeRig) -> None:
    """With idle connections and nothing to do, all of the engine's threads sleep."""
    make = rig(hello)
    for _ in range(20):
        make.connect().get()
    eventually(lambda: make.engine._turns.monitor_sleeps)
    turns = make.engine._turns.turns
    assert turns == 20


def test_a_server_at_its_limit_says_so_once_a_minute(rig: MakeRig) -> None:
    """However often accepting pauses and goes on."""
    make = rig(hello, settings={"worker_connections": 1})
    first = make.connect()
    assert first.get().status == 200
    for number in range(10):
        following = make.connect()
        following.send(request(f"/{number}"))
        first.close()
        assert following.read().body == f"/{number}".encode()
        first = following
    assert len([text for text in make.log.said("warning") if "accepting pauses" in text]) == 1
