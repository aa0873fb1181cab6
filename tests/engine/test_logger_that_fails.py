"""A logger that raises, as a filter or a user's logger_class may: no client, no thread and no connection is lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger

from tests.engine.apps import Environ, Start, echo, hello
from tests.engine.engine_server import EngineServer, Serve, request
from tests.eventually import eventually

METHODS = ("debug", "info", "warning", "error", "exception", "access")


def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Fails at `/fail`."""
    if environ["PATH_INFO"] == "/fail":
        raise ValueError(environ["PATH_INFO"])
    return hello(environ, start_response)


def without_log(server: EngineServer, error: BaseException, *methods: str) -> EngineServer:
    """The server, these methods of whose log raise."""

    def fail(*_: object) -> None:
        raise error

    for name in methods:
        setattr(server.log, name, fail)
    return server


@pytest.mark.parametrize("error", [RuntimeError("the disk is full"), SystemExit(1)])
def test_all_that_is_said(serve: Serve, error: BaseException) -> None:
    """Refusals, failures of the application, deadlines: every client gets its answer, and none is kept for ever."""
    server = serve(app, settings={"accesslog": "-"}, head_timeout=0.2, fin_timeout=0.1)
    without_log(server, error, *METHODS)
    slow = server.connect()
    slow.send(b"GET / HTTP/1.1\r\n")
    # One after the other: a connection on which nothing comes is closed after head_timeout.
    failing = server.connect()
    assert failing.get("/fail").status == 500
    assert failing.get("/next").body == b"/next"
    bad = server.connect()
    bad.send(b"GET / HTTP/9\r\n\r\n")
    assert bad.read().status == 400
    assert server.connect().get("/", "Connection: close").status == 200
    assert slow.read().status == 408
    assert server.get("/last").body == b"/last"
    failing.close()
    eventually(lambda: server.engine.counters.connections == 1)
    assert server.engine.debug_view().threads == 1


def test_the_first_failure_is_printed(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """And not one for each line."""
    server = without_log(serve(app), RuntimeError("the disk is full"), *METHODS)
    for _ in range(3):
        assert server.get("/fail").status == 500
    assert capfd.readouterr().err.count("RuntimeError: the disk is full") == 1


def test_an_access_log_that_fails_costs_no_connection(serve: Serve) -> None:
    """gunicorn's cannot do without the environ's names: an application that clears it gets a line in the error log."""

    def clears(environ: Environ, start_response: Start) -> Iterable[bytes]:
        body = hello(environ, start_response)
        environ.clear()
        return body

    server = serve(clears, settings={"accesslog": "-"})
    cfg = Config()
    cfg.set("accesslog", "-")
    server.log.access = Logger(cfg).access  # type: ignore[method-assign]
    server.expected_exceptions = 2
    client = server.connect()
    assert [client.get(path).body for path in ("/one", "/two")] == [b"/one", b"/two"]
    eventually(lambda: len(server.log.said("exception")) == 2)
    said = server.log.said("exception")[0]
    assert "the access log failed" in said
    assert "KeyError: 'REQUEST_METHOD'" in said


def test_an_access_log_that_fails_does_not_cut_an_answer(serve: Serve) -> None:
    """It is called when the answer is complete in memory; what the client does not take at once comes all the same."""
    block = bytes(20_000_000)

    def large(environ: Environ, start_response: Start) -> list[bytes]:
        start_response("200 OK", [])
        return [block]

    server = without_log(serve(large, settings={"accesslog": "-"}), RuntimeError("full"), "access")
    server.expected_exceptions = 1
    client = server.connect()
    client.send(request("/"))
    eventually(lambda: server.log.said("exception"))
    assert client.read().body == block


def test_uploads_are_not_used_up(serve: Serve) -> None:
    """Half of the threads may wait for bodies: of one, the next upload has to have it."""
    server = serve(echo, settings={"threads": 2, "accesslog": "-"}, body_buffer=1)
    without_log(server, RuntimeError("full"), "access")
    server.expected_exceptions = 3
    for _ in range(3):
        client = server.connect()
        client.send(request("/", "Content-Length: 3", method="POST", body=b"abc"))
        assert client.read().body == b"abc"


def test_hooks_are_called_all_the_same(serve: Serve) -> None:
    """post_request comes after the access log."""
    seen: list[Any] = []
    post_request = lambda worker, req, environ, resp: seen.append(req)  # noqa: E731  gunicorn counts its arguments
    server = serve(hello, settings={"accesslog": "-", "post_request": post_request})
    without_log(server, RuntimeError("full"), "access")
    server.expected_exceptions = 1
    server.get("/")
    eventually(lambda: seen)
