"""The health path, which the engine answers itself."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.engine.apps import Environ, Start, hello
from tests.engine.engine_server import EngineServer, Serve, request
from tests.eventually import eventually


@pytest.fixture
def healthy(serve: Serve) -> EngineServer:
    """An engine whose application would fail at the health path."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        assert environ["PATH_INFO"] != "/healthz" or environ["REQUEST_METHOD"] == "POST"
        return hello(environ, start_response)

    return serve(app, health="/healthz")


def test_health_is_not_the_applications(healthy: EngineServer) -> None:
    """GET and HEAD, with a query too; the connection stays, and nothing but `health` counts it."""
    client = healthy.connect()
    answer = client.get("/healthz?verbose=1")
    assert (answer.status, answer.body) == (200, b"ok\n")
    assert answer.headers["cache-control"] == "no-store"
    answer = client.get("/healthz", method="HEAD")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "3")
    assert client.get("/other").body == b"/other"
    counters = healthy.engine.counters
    assert (counters.health, counters.requests, counters.refused) == (2, 1, 0)
    assert healthy.log.accesses == []


def test_health_between_other_requests(healthy: EngineServer) -> None:
    """One that is pipelined gets its answer in its turn."""
    client = healthy.connect()
    client.send(request("/a") + request("/healthz") + request("/healthz", "Connection: close"))
    assert [client.read().body for _ in range(3)] == [b"/a", b"ok\n", b"ok\n"]
    assert client.closed()


def test_health_for_http_1_0(healthy: EngineServer) -> None:
    """The connection is closed behind it, unless the client asks for more."""
    client = healthy.connect()
    client.send(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert client.read().headers["connection"] == "close"
    assert client.closed()


def test_more_than_a_question_is_the_applications(healthy: EngineServer) -> None:
    """Another method, a body: the engine has no answer to that."""
    assert healthy.connect().get("/healthz", method="POST").body == b"/healthz"
    assert healthy.get("/healthz/").body == b"/healthz/"


def test_a_lame_duck_says_so_and_serves(healthy: EngineServer) -> None:
    """503, for the path alone."""
    client = healthy.connect()
    healthy.engine.be_lame_duck()
    answer = client.get("/healthz")
    assert (answer.status, answer.body) == (503, b"draining\n")
    assert "connection" not in answer.headers
    assert healthy.get("/other").body == b"/other"
    eventually(lambda: healthy.engine.counters.answers == 1)  # it is counted when it has been sent


def test_a_draining_engine_says_so(healthy: EngineServer) -> None:
    """On a connection that was open before, as the last answer."""
    client = healthy.connect()
    client.get("/healthz")
    healthy.engine.leave(None)
    answer = client.get("/healthz")
    assert (answer.status, answer.headers["connection"]) == (503, "close")


def test_one_that_hands_over_is_well(healthy: EngineServer) -> None:
    """Its clients are served by another process."""
    client = healthy.connect()
    client.send(b"GET /healthz HTTP/1.1\r\n")
    healthy.engine.leave(lambda connections: connections)
    client.send(b"Host: test\r\n\r\n")
    assert client.read().status == 200


def test_the_check_goes_to_the_application(live: None) -> None:
    """Before the engine is opened there is no client, but a generation that asks itself whether it is fit."""
    server = EngineServer(hello, health="/healthz")
    server.engine.start()
    try:
        assert server.adopted().get("/healthz").body == b"/healthz"
    finally:
        server.end()
