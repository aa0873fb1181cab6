"""What an engine counts, by what the answers say of the application."""

from __future__ import annotations

import socket
from collections.abc import Iterable

import pytest

from hotswap.engine.values import Counters
from tests.engine.apps import Environ, Start
from tests.engine.engine_server import Serve
from tests.eventually import eventually


def answering(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Answers with the status that the path names."""
    if environ["PATH_INFO"] == "/raise":
        raise ValueError("no answer")
    start_response(f"{environ['PATH_INFO'][1:]} Some", [("Content-Length", "0")])
    return []


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (101, "succeeded"), (204, "succeeded"), (299, "succeeded"), (302, "redirected"), (399, "redirected"),
        (400, "client_errors"), (499, "client_errors"), (500, "server_errors"), (502, "server_errors"),
        (501, "unavailable"), (503, "unavailable"), (504, "server_errors"), (999, "server_errors"),
    ],
)  # fmt: skip
def test_an_answer_counts_by_its_status(code: int, name: str) -> None:
    """501 and 503 say nothing of the application, so they are in no share of errors."""
    counters = Counters()
    counters.answered(code)
    assert getattr(counters, name) == 1
    assert counters.answers == (name != "unavailable")


def test_answers_of_an_engine(serve: Serve) -> None:
    """What the application says, what the engine says for it, and what the engine refuses."""
    engine = serve(answering)
    engine.expected_exceptions = 1
    client = engine.connect()
    for path in ("/200", "/204", "/302", "/404", "/404", "/503", "/501", "/502", "/raise"):
        client.get(path)
    refused = engine.connect()
    refused.send(b"GET / HTTP/1.1\r\n\r\n")  # without a Host
    assert refused.read().status == 400
    counters = engine.engine.counters
    eventually(lambda: counters.server_errors == 2)  # an answer is counted when it has been sent
    assert (counters.succeeded, counters.redirected, counters.client_errors) == (2, 1, 3)
    assert (counters.unavailable, counters.unanswered, counters.requests) == (2, 0, 9)
    assert counters.answers == 8


def test_a_client_that_has_gone_has_no_answer(serve: Serve) -> None:
    """A request whose answer could not be sent is in no class."""
    gone: list[socket.socket] = []

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        gone.pop().close()
        write = start_response("200 OK", [])
        while True:
            write(b"x" * 65536)

    engine = serve(app)
    client = engine.connect()
    gone.append(client.sock)
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    eventually(lambda: engine.engine.counters.unanswered == 1)
    assert engine.engine.counters.answers == 0
