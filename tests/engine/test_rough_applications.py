"""Applications that do with their client's socket, their process or their `write` what they had better not."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest
from werkzeug.wsgi import ClosingIterator

from tests.engine.apps import Environ, Start, hello
from tests.engine.engine_server import DEADLINE, Serve, request
from tests.engine.test_threads import cpu_of_leader
from tests.eventually import eventually


class Last:
    """An answer of one byte, behind which `act` is called with the client's socket."""

    def __init__(self, environ: Environ, act: Callable[[socket.socket], object]) -> None:
        self._socket: socket.socket = environ["gunicorn.socket"]
        self._act = act

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"x"])

    def close(self) -> None:
        self._act(self._socket)


def lastly(act: Callable[[socket.socket], object]) -> Callable[[Environ, Start], Iterable[bytes]]:
    """An application that calls `act` when the answer to `/last` is sent, and says hello to the others."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/last":
            return hello(environ, start_response)
        start_response("200 OK", [("Content-Length", "1")])
        return Last(environ, act)

    return app


@contextmanager
def next_to_be_used(fd: int) -> Iterator[None]:
    """Whatever is opened within gets the number `fd`, which is free."""
    lower = []
    while (number := os.dup(0)) < fd:
        lower.append(number)
    os.close(number)
    assert number == fd
    try:
        yield
    finally:
        for number in lower:
            os.close(number)


def test_a_socket_closed_behind_its_answer_ends_its_connection(serve: Serve) -> None:
    """Nothing is left of it: neither among the connections nor under a number that another client may get."""
    server = serve(lastly(socket.socket.close))
    for _ in range(3):
        client = server.connect()
        client.send(request("/last"))
        assert client.read().body == b"x"
        assert client.closed()
    server.wait_idle()


def close_number(sock: socket.socket) -> None:
    """As what has only the number does it: the socket itself does not know."""
    os.close(sock.fileno())


WAYS_TO_CLOSE = [socket.socket.close, close_number]


@pytest.mark.parametrize("close", WAYS_TO_CLOSE)
def test_a_client_that_gets_the_number_of_a_closed_socket_is_served(
    serve: Serve, close: Callable[[socket.socket], None]
) -> None:
    """Also when the call that has closed it ends only then."""
    closed, go_on = threading.Event(), threading.Event()

    def act(sock: socket.socket) -> None:
        close(sock)
        closed.set()
        assert go_on.wait(DEADLINE)

    server = serve(lastly(act))
    first = server.connect()
    first.get("/first")
    server.engine.pause()
    second = server.connect()
    first.send(request("/last"))
    assert first.read().body == b"x"
    assert closed.wait(DEADLINE)
    (fd,) = eventually(lambda: [conn.fd for conn in server.connections if conn.parked])
    with next_to_be_used(fd):
        server.engine.open()
        assert second.get("/second").body == b"/second"
    assert len({conn.fd for conn in server.connections}) == 1
    go_on.set()
    eventually(lambda: len(server.connections) == 1)
    assert second.get("/again").body == b"/again"


@pytest.mark.parametrize("close", WAYS_TO_CLOSE)
def test_a_socket_closed_long_after_its_call_is_forgotten(serve: Serve, close: Callable[[socket.socket], None]) -> None:
    """At the latest when another client gets its number."""
    kept: list[socket.socket] = []

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        kept.append(environ["gunicorn.socket"])
        return hello(environ, start_response)

    server = serve(app)
    first = server.connect()
    first.get("/first")
    server.engine.pause()
    second = server.connect()
    fd = kept[0].fileno()
    eventually(lambda: fd in [conn.fd for conn in server.connections if conn.owned])
    close(kept[0])
    with next_to_be_used(fd):
        server.engine.open()
        assert second.get("/second").body == b"/second"
    assert len(server.connections) == 1


def test_a_detached_socket_is_not_polled(serve: Serve) -> None:
    """It is the application's, open, and what its client says is none of the engine's business."""
    kept: list[int] = []
    server = serve(lastly(lambda sock: kept.append(sock.detach())))
    client = server.connect()
    client.send(request("/last"))
    assert client.read().body == b"x"
    server.wait_idle()
    client.send(request("/next"))
    try:
        assert cpu_of_leader(server, client.sock) < 0.05
    finally:
        os.close(kept[0])


def forks(answer: Callable[..., Iterable[bytes]], children: list[int]) -> Callable[..., Iterable[bytes]]:
    """An application that forks for /fork, and whose child goes on as its parent does."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/fork":
            return hello(environ, start_response)
        return answer(environ, start_response, lambda: children.append(os.fork()))

    return app


def forks_before(environ: Environ, start_response: Start, fork: Callable[[], None]) -> Iterable[bytes]:
    fork()
    return hello(environ, start_response)


def forks_between(environ: Environ, start_response: Start, fork: Callable[[], None]) -> Iterable[bytes]:
    start_response("200 OK", [])
    yield b"/fo"
    fork()
    yield b"rk"


def forks_behind(environ: Environ, start_response: Start, fork: Callable[[], None]) -> Iterable[bytes]:
    """When the client has the whole answer."""
    start_response("200 OK", [("Content-Length", "5")])
    yield b"/fork"
    fork()


def forks_at_close(environ: Environ, start_response: Start, fork: Callable[[], None]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return ClosingIterator([b"/fork"], fork)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("answer", [forks_before, forks_between, forks_behind, forks_at_close])
def test_a_forked_child_that_comes_back_ends(serve: Serve, answer: Callable[..., Iterable[bytes]]) -> None:
    """It answers nobody, nor polls the clients of its parent; and it says so."""
    children: list[int] = []
    server = serve(forks(answer, children))
    client = server.connect()
    for _ in range(2):  # in Python first, and then, if there is one, in the lane in C
        assert client.get("/next").body == b"/next"
        assert client.get("/fork").body == b"/fork"
        eventually(lambda: children, "it has not forked")  # it may do so when its answer is sent
        child = children.pop()
        eventually(lambda: os.waitpid(child, os.WNOHANG)[0])  # noqa: B023
    assert client.get("/next").body == b"/next"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(("error", "status"), [(SystemExit(3), 3), (SystemExit(), 0), (RuntimeError(), 1)])
def test_a_forked_child_that_fails_ends(serve: Serve, error: BaseException, status: int) -> None:
    """It has copies of everything: it must not answer too, nor poll the clients of its parent."""
    children: list[int] = []

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/fork":
            child = os.fork()
            if not child:
                raise error
            children.append(child)
        return hello(environ, start_response)

    server = serve(app)
    client = server.connect()
    assert client.get("/fork").body == b"/fork"
    ended: list[int] = []

    def has_ended() -> int:
        child, result = os.waitpid(children[0], os.WNOHANG)
        ended.append(result)
        return child

    eventually(has_ended)
    assert os.waitstatus_to_exitcode(ended[-1]) == status
    assert client.get("/next").body == b"/next"


def test_a_write_that_is_kept_says_nothing_in_other_answers(serve: Serve) -> None:
    """The connection goes on with the next request; a late call of `write` raises an exception."""
    kept: list[Callable[[bytes], None]] = []

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/keep":
            kept.append(start_response("200 OK", []))
            return iter([b"one"])
        return hello(environ, start_response)

    server = serve(app)
    client = server.connect()
    assert client.get("/keep").body == b"one"
    assert client.get("/next").body == b"/next"
    with pytest.raises(AttributeError):
        kept[0](b"late")
    assert client.get("/last").body == b"/last"


def test_a_hook_that_exits_does_not_take_the_lead_with_it(serve: Serve) -> None:
    """SystemExit ends one request only, from wherever it comes."""

    def post_request(worker: object, req: object, environ: Environ, resp: object) -> None:
        if environ["PATH_INFO"] == "/exit":
            sys.exit(1)

    server = serve(hello, settings={"post_request": post_request})
    server.expected_exceptions = 1
    client = server.connect()
    assert client.get("/exit").body == b"/exit"
    assert client.get("/next").body == b"/next"
    assert server.engine.debug_view().threads == 1
