"""Time limits that the loop keeps: heads, keep-alive, closing; and limits of what it accepts."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections.abc import Iterator

import pytest

from tests.engine.apps import hello
from tests.engine.engine_server import Serve, request
from tests.eventually import eventually


def test_a_head_that_takes_too_long_is_408(serve: Serve) -> None:
    """Counted from its first byte: sending on, slowly, does not help."""
    client = serve(hello, head_timeout=0.2).connect()
    client.send(b"GET / HTTP/1.1\r\n")
    answer = client.read()
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert client.closed()


def test_an_idle_connection_is_closed_after_keepalive(serve: Serve) -> None:
    """Without a word: a 408 would be read as the answer to the next request."""
    client = serve(hello, keepalive=0.1).connect()
    assert client.get().status == 200
    assert client.closed()


def test_a_connection_without_any_request_is_closed_quietly(serve: Serve) -> None:
    """A browser's spare connection."""
    assert serve(hello, head_timeout=0.1).connect().closed()


def test_keepalive_zero_closes_after_each_answer(serve: Serve) -> None:
    """gunicorn's meaning of keepalive 0; the request itself has the head's time to come."""
    client = serve(hello, settings={"keepalive": 0}).connect()
    assert client.get().headers["connection"] == "close"
    assert client.closed()


def test_closing_waits_for_the_peer_and_not_for_ever(serve: Serve) -> None:
    """After our FIN the connection stays until the peer's, at most the FIN deadline; other clients do not notice."""
    waits, does_not = serve(hello, fin_timeout=60), serve(hello, fin_timeout=0.1)
    clients = [server.connect() for server in (waits, does_not)]
    for client in clients:
        client.get("/", "Connection: close")
        assert client.closed()
        client.send(b"ignored")
    eventually(lambda: does_not.engine.counters.connections == 0)
    assert waits.engine.counters.connections == 1
    assert waits.get().status == 200


def test_an_answer_is_whole_though_the_client_still_sends(serve: Serve) -> None:
    """A refused upload of any speed gets its answer, not a reset."""
    server = serve(hello)
    for _ in range(20):
        client = server.connect()
        client.send(request("/", "Content-Length: x", method="POST") + b"y" * 200_000)
        assert client.read().status == 400
        assert client.closed()


def test_worker_connections_is_a_limit_and_not_an_end(serve: Serve) -> None:
    """Beyond it nothing is accepted; when one ends, the next that waits is."""
    server = serve(hello, settings={"worker_connections": 2})
    first, second, third = (server.connect() for _ in range(3))
    assert first.get().status == 200
    assert second.get().status == 200
    third.send(request("/third"))
    eventually(lambda: any("accepting pauses" in text for text in server.log.said("warning")))
    assert server.engine.counters.accepted == 2
    first.close()
    assert third.read().body == b"/third"


def test_adopted_connections_do_not_count_against_the_limit(serve: Serve) -> None:
    """They were accepted elsewhere: a full server still takes over another's clients, and still accepts its own."""
    server = serve(hello, settings={"worker_connections": 1})
    adopted = [server.adopted() for _ in range(5)]
    assert server.get().status == 200
    for client in adopted:
        assert client.get().status == 200


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = max(int(name) for name in os.listdir("/proc/self/fd"))
    # Room for the server, the clients, and at least as many to fill: what is given back must do for all clients.
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 32, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_running_out_of_descriptors_is_survived(serve: Serve, few_descriptors: None) -> None:
    """EMFILE at accept: the log says so once, those who have a connection are served, and later the others
    are too.
    """
    server = serve(hello)
    first = server.connect()
    assert first.get().status == 200
    fillers: list[int] = []
    # Several: an earlier test's server may give descriptors back meanwhile, and as many clients are accepted then.
    waiting = [socket.socket() for _ in range(8)]
    with contextlib.suppress(OSError):
        while True:
            fillers.append(os.dup(waiting[0].fileno()))
    for client in waiting:
        client.settimeout(10)
        client.connect(server.address)
        client.sendall(request("/late"))
    eventually(lambda: any("cannot accept" in text for text in server.log.said("warning")))
    assert first.get().status == 200
    for fd in fillers:
        os.close(fd)
    for client in waiting:
        assert client.recv(1000).endswith(b"/late")
        client.close()


def test_idle_connections_cost_no_processor_time(serve: Serve) -> None:
    """With idle connections and nothing to do, all of the engine's threads sleep."""
    server = serve(hello)
    for _ in range(20):
        server.connect().get()
    eventually(lambda: server.engine.debug_view().monitor_sleeps)
    assert server.engine.debug_view().turns == 20


def test_a_server_at_its_limit_says_so_once_a_minute(serve: Serve) -> None:
    """However often accepting pauses and goes on."""
    server = serve(hello, settings={"worker_connections": 1})
    first = server.connect()
    assert first.get().status == 200
    for number in range(10):
        following = server.connect()
        following.send(request(f"/{number}"))
        first.close()
        assert following.read().body == f"/{number}".encode()
        first = following
    assert len([text for text in server.log.said("warning") if "accepting pauses" in text]) == 1


def test_one_deadline_that_fails_does_not_stop_the_others(serve: Serve) -> None:
    """A callback that raises when the first is closed: the second is closed all the same."""
    server = serve(hello, fin_timeout=0.1)
    failures = [RuntimeError("never expected")]

    def failing(act: str, _: int) -> None:
        if act == "unregister" and failures:
            raise failures.pop()

    server.epoll.before = failing
    server.expected_exceptions = 1
    for client in [server.connect() for _ in range(2)]:
        client.get("/", "Connection: close")
    eventually(lambda: server.engine.counters.connections == 0)
    assert "failed over a connection" in server.log.said("exception")[0]
