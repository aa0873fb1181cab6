"""Requests that wait for a thread, and whose clients do not wait for the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from tests.certificates import Certificate
from tests.engine.apps import Environ, Gate, Start
from tests.engine.engine_server import Client, EngineServer, Serve, request
from tests.engine.tls_clients import connect
from tests.eventually import eventually

Leaves = Callable[[Client], None]


def closes_behind_more(client: Client) -> None:
    """Another request is there, which must not hide the end."""
    client.send(request("/pipelined"))
    client.close()


class Busy:
    """An engine with one thread, which is in the application until `open`; `asked` has the paths that got there."""

    def __init__(self, serve: Serve, connect: Callable[[EngineServer], Client] = EngineServer.connect) -> None:
        self._gate = Gate()
        self.asked: list[str] = []

        def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
            self.asked.append(environ["PATH_INFO"])
            return self._gate(environ, start_response)

        self.server: EngineServer = serve(app, settings={"threads": 1})
        self._stuck = connect(self.server)
        self._stuck.send(request("/wait"))
        self._gate.wait_entered()

    @property
    def abandoned(self) -> int:
        """How many were not carried out."""
        return self.server.engine.counters.abandoned

    def queue(self, client: Client, data: bytes) -> None:
        """Have a request wait."""
        before = self.server.engine.counters.queued
        client.send(data)
        eventually(lambda: self.server.engine.counters.queued == before + 1)

    def open(self) -> None:
        """Let the thread go on, and wait until it has."""
        self._gate.open()
        assert self._stuck.read().body == b"/wait"


@pytest.mark.parametrize("leaves", [Client.close, Client.reset, Client.half_close, closes_behind_more])
def test_a_client_that_has_gone(serve: Serve, leaves: Leaves) -> None:
    """The application is not asked; the clients before and behind it are served. A half-close looks the same by TCP."""
    busy = Busy(serve)
    first, gone, last = (busy.server.connect() for _ in range(3))
    busy.queue(first, request("/first"))
    busy.queue(gone, request("/gone"))
    busy.queue(last, request("/last"))
    leaves(gone)
    busy.open()
    assert [first.read().body, last.read().body] == [b"/first", b"/last"]
    assert busy.asked == ["/wait", "/first", "/last"]
    assert busy.abandoned == 1
    assert busy.server.engine.counters.requests == 3
    assert ("debug", "GET /gone: not carried out, its client has gone") in busy.server.log.records
    # Of the threads none is lost.
    assert busy.server.get("/again").body == b"/again"


@pytest.mark.parametrize("closes", [True, False])
def test_a_unix_socket_tells_more(serve: Serve, closes: bool) -> None:
    """There a client that sends no more, and waits for its answer, gets it."""
    busy = Busy(serve)
    client = busy.server.adopted()
    busy.queue(client, request("/asked"))
    if closes:
        client.close()
        busy.open()
        eventually(lambda: busy.abandoned == 1)
        assert busy.asked == ["/wait"]
    else:
        client.half_close()
        busy.open()
        assert client.read().body == b"/asked"
        assert busy.abandoned == 0


def test_what_does_not_wait_is_not_asked_about(serve: Serve) -> None:
    """Where a thread is free, a client that has sent its last byte is answered, by TCP too."""
    client = serve(Gate()).connect()
    client.send(request("/asked"))
    client.half_close()
    assert client.read().body == b"/asked"


@pytest.mark.parametrize("act", ["close", "detach"])
def test_one_whose_socket_the_application_has_closed(serve: Serve, act: str) -> None:
    """An application that kept it from an earlier request: no thread ends over that."""
    gate, kept = Gate(), []

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        kept.append(environ["gunicorn.socket"])
        return gate(environ, start_response)

    server = serve(app, settings={"threads": 1})
    client, stuck = server.connect(), server.connect()
    client.get("/first")
    stuck.send(request("/wait"))
    gate.wait_entered()
    client.send(request("/second"))
    eventually(lambda: server.engine.counters.queued == 1)
    getattr(kept[0], act)()
    gate.open()
    assert stuck.read().body == b"/wait"
    eventually(lambda: server.engine.counters.abandoned == 1)
    assert server.get("/others").body == b"/others"


def test_an_upload_gives_its_place_back(serve: Serve) -> None:
    """One that waits and is not carried out does not keep another from reading its body."""
    busy = Busy(serve)
    gone = busy.server.connect()
    head = request("/upload", "Expect: 100-continue", "Content-Length: 5", method="POST")
    busy.queue(gone, head)
    gone.close()
    busy.open()
    eventually(lambda: busy.abandoned == 1)
    client = busy.server.connect()
    client.send(head)
    assert client.head().status == 200


def test_tls(serve_tls: Serve, certificate: Certificate) -> None:
    """The end of the connection below is what counts."""
    busy = Busy(serve_tls, lambda server: connect(server, certificate))
    gone = connect(busy.server, certificate)
    busy.queue(gone, request("/gone"))
    gone.close()
    busy.open()
    eventually(lambda: busy.abandoned == 1)
    assert busy.asked == ["/wait"]
