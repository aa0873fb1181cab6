"""Descriptors that an application closes by their numbers, callbacks that raise: that costs one connection at most, and
none is left without an owner."""

from __future__ import annotations

import gc
import os
import socket
import weakref
from collections.abc import Iterable, Iterator

import pytest

from hotswap.engine import Moved
from tests.engine.apps import Environ, Start, hello
from tests.engine.engine_server import Client, EngineServer, Serve, request
from tests.engine.hooked_epoll import nothing
from tests.engine.test_leaving import Successor
from tests.eventually import eventually


def closes_its_number(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Closes its client's descriptor when `/close` is answered: as a library does that closes twice what it opened."""
    answer = hello(environ, start_response)

    class Answer:
        def __iter__(self) -> Iterable[bytes]:
            return iter(answer)

        def close(self) -> None:
            os.close(environ["gunicorn.socket"].fileno())

    return Answer() if environ["PATH_INFO"] == "/close" else answer  # type: ignore[return-value]


def clients_of(server: EngineServer, count: int) -> list[Client]:
    """As many with an idle connection each, which no thread is busy with any more."""
    clients = [server.connect() for _ in range(count)]
    for client in clients:
        client.get("/first")
    eventually(lambda: server.engine.counters.in_flight == 0)
    return clients


def test_a_descriptor_closed_by_its_number_ends_at_its_deadline(serve: Serve) -> None:
    """The engine notices when it closes the connection, which is forgotten then and not kept for ever."""
    server = serve(closes_its_number, keepalive=0.1)
    client = server.connect()
    client.send(request("/close"))
    assert client.rest().endswith(b"/close")
    eventually(lambda: server.engine.counters.connections == 0)


@pytest.mark.parametrize("drains", [False, True])
def test_leaving_goes_on_behind_a_descriptor_that_is_closed(serve: Serve, drains: bool) -> None:
    """Whether connections are given away or drained: the others are."""
    old, new = serve(closes_its_number, drain_linger=0.1), serve(hello)
    clients = clients_of(old, 2)
    bad = old.connect()
    bad.send(request("/close"))
    assert bad.rest().endswith(b"/close")
    old.engine.leave(None if drains else Successor(new).give)
    if drains:
        assert all(client.closed() for client in clients)
    else:
        assert [client.get("/on").body for client in clients] == [b"/on"] * 2
    old.wait_idle()


def test_shedding_survives_what_it_gives_to(serve: Serve) -> None:
    """Connections that could not be given away are served on."""
    server = serve(hello)
    clients = clients_of(server, 3)

    def give(offers: list[Moved]) -> list[Moved]:
        raise RuntimeError("no exchange")

    server.engine.shed(3, give)
    assert [client.get("/on").body for client in clients] == [b"/on"] * 3
    assert server.engine.counters.handed_over == 0
    server.expected_exceptions = 1


def test_one_that_cannot_be_adopted_does_not_hold_up_the_others(serve: Serve) -> None:
    """It has been closed on its way."""
    server = serve(hello)
    pairs = [socket.socketpair() for _ in range(3)]
    pairs[1][1].close()
    server.engine.adopt([Moved(theirs, "main") for _, theirs in pairs])
    clients = [Client(ours) for ours, _ in pairs]
    assert [clients[number].get("/on").body for number in (0, 2)] == [b"/on"] * 2
    assert "is none (Bad file descriptor): closed" in server.log.said("warning")[0]
    for client in clients:
        client.close()
    server.wait_idle()


@pytest.mark.parametrize("act", ["leave", "resume"])
def test_a_callback_that_raises_loses_no_connection(serve: Serve, act: str) -> None:
    """`changed` is asked for each connection that begins to leave: all of them end as they should."""
    server = serve(hello, drain_linger=0.1 if act == "leave" else 60)
    clients = clients_of(server, 3)

    def fail() -> None:
        raise RuntimeError("not now")

    server.on_change = fail
    server.engine.leave(None)
    server.expected_exceptions = 3
    server.on_change = lambda: None
    if act == "resume":
        server.engine.resume()
        assert [client.get("/on").body for client in clients] == [b"/on"] * 3
    else:
        assert all(client.closed() for client in clients)
        server.wait_idle()


def test_a_source_that_comes_when_the_engine_has_stopped(serve: Serve) -> None:
    """A thread that finishes its request only then may still hand its connection over, and wait for room to do so."""
    server = serve(hello)
    server.engine.stop()
    ours, theirs = socket.socketpair()
    server.engine.add_source(ours.fileno(), lambda fd: None)
    server.engine.remove_source(ours.fileno())
    ours.close()
    theirs.close()


@pytest.mark.parametrize("by_number", [False, True])
def test_a_listener_that_is_closed_does_not_keep_the_others_from_leaving(serve: Serve, by_number: bool) -> None:
    """Its owner's socket, or the number of it."""
    server, new = serve(hello), serve(hello)
    clients = clients_of(server, 2)
    if by_number:
        os.close(server.listener.fileno())
    else:
        server.listener.close()
    server.engine.leave(Successor(new).give)
    assert [client.get("/on").body for client in clients] == [b"/on"] * 2
    server.wait_idle()
    server.listener.detach()


@pytest.fixture
def uncollected() -> Iterator[None]:
    """What is in a circle of references stays meanwhile."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_fault_of_the_engine_costs_one_connection(serve: Serve, uncollected: None) -> None:
    """It is told once, and nothing of the connection is kept."""
    sockets: list[weakref.ref[socket.socket]] = []

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        sockets.append(weakref.ref(environ["gunicorn.socket"]))
        return hello(environ, start_response)

    def fail(act: str, fd: int) -> None:
        if act == "unregister":
            server.epoll.before = nothing
            raise LookupError("a fault")

    server = serve(app, body_buffer=10)
    server.expected_exceptions = 1
    client, other = clients_of(server, 2)
    server.epoll.before = fail
    client.send(request("/", "Content-Length: 11", method="POST"))
    assert client.closed()
    assert other.get("/next").body == b"/next"
    eventually(lambda: [ref() for ref in sockets].count(None) == 1)
    assert len([text for _, text in server.log.records if "a fault" in text]) == 1


def test_nothing_is_kept_of_a_call_that_failed(serve: Serve, uncollected: None) -> None:
    """Neither the exception nor what its frames know."""

    class Failure(Exception):
        pass

    failures: list[weakref.ref[Failure]] = []

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        failure = Failure()
        failures.append(weakref.ref(failure))
        try:
            raise failure
        finally:
            del failure

    server = serve(app)
    server.expected_exceptions = 3
    for path in ("/", "/", "/again"):
        assert server.get(path).status == 500
    eventually(lambda: [ref() for ref in failures] == [None] * 3)
