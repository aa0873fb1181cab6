"""Applications that do with their client's socket, their process or their `write` what they had better not."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest

from tests.engine.apps import Environ, Start, echo, hello
from tests.engine.rig import DEADLINE, Rig, request
from tests.engine.test_threads import cpu_of_leader
from tests.eventually import eventually

MakeRig = Callable[..., Rig]


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


def test_a_socket_closed_behind_its_answer_ends_its_connection(rig: MakeRig) -> None:
    """Nothing is left of it: neither among the connections nor under a number that another client may get."""
    make = rig(lastly(socket.socket.close))
    for _ in range(3):
        client = make.connect()
        client.send(request("/last"))
        assert client.read().body == b"x"
        assert client.closed()
    make.wait_idle()


def test_a_client_that_gets_the_number_of_a_closed_socket_is_served(rig: MakeRig) -> None:
    """Also when the call that has closed it ends only then."""
    closed, go_on = threading.Event(), threading.Event()

    def act(sock: socket.socket) -> None:
        sock.close()
        closed.set()
        assert go_on.wait(DEADLINE)

    make = rig(lastly(act))
    first = make.connect()
    first.get("/first")
    make.engine.pause()
    second = make.connect()
    first.send(request("/last"))
    assert first.read().body == b"x"
    assert closed.wait(DEADLINE)
    assert eventually(lambda: make.engine._core.lent)
    ((fd, _),) = make.engine._core.lent.items()
    with next_to_be_used(fd):
        make.engine.open()
        assert second.get("/second").body == b"/second"
    assert len({conn.fd for conn in make.engine._core.live}) == 1
    go_on.set()
    eventually(lambda: len(make.engine._core.live) == 1)
    assert second.get("/again").body == b"/again"


def test_a_socket_closed_long_after_its_call_is_forgotten(rig: MakeRig) -> None:
    """At the latest when another client gets its number."""
    kept: list[socket.socket] = []

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        kept.append(environ["gunicorn.socket"])
        return hello(environ, start_response)

    make = rig(app)
    first = make.connect()
    first.get("/first")
    make.engine.pause()
    second = make.connect()
    fd = kept[0].fileno()
    eventually(lambda: fd in make.engine._core.owned)
    kept[0].close()
    with next_to_be_used(fd):
        make.engine.open()
        assert second.get("/second").body == b"/second"
    assert len(make.engine._core.live) == 1


def test_a_detached_socket_is_not_polled(rig: MakeRig) -> None:
    """It is the application's, open, and what its client says is none of the engine's business."""
    kept: list[int] = []
    make = rig(lastly(lambda sock: kept.append(sock.detach())))
    client = make.connect()
    client.send(request("/last"))
    assert client.read().body == b"x"
    make.wait_idle()
    client.send(request("/next"))
    try:
        assert cpu_of_leader(make, client.sock) < 0.05
    finally:
        os.close(kept[0])


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(("error", "status"), [(SystemExit(3), 3), (SystemExit(), 0), (RuntimeError(), 1)])
def test_a_forked_child_that_fails_ends(rig: MakeRig, error: BaseException, status: int) -> None:
    """It has copies of everything: it must not answer too, nor poll the clients of its parent."""
    children: list[int] = []

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/fork":
            child = os.fork()
            if not child:
                raise error
            children.append(child)
        return hello(environ, start_response)

    make = rig(app)
    client = make.connect()
    assert client.get("/fork").body == b"/fork"
    ended: list[int] = []

    def has_ended() -> int:
        child, result = os.waitpid(children[0], os.WNOHANG)
        ended.append(result)
        return child

    eventually(has_ended)
    assert os.waitstatus_to_exitcode(ended[-1]) == status
    assert client.get("/next").body == b"/next"


def test_a_write_that_is_kept_says_nothing_in_other_answers(rig: MakeRig) -> None:
    """The connection goes on with the next request; whoever calls `write` now gets an exception."""
    kept: list[Callable[[bytes], None]] = []

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/keep":
            kept.append(start_response("200 OK", []))
            return iter([b"one"])
        return hello(environ, start_response)

    make = rig(app)
    client = make.connect()
    assert client.get("/keep").body == b"one"
    assert client.get("/next").body == b"/next"
    with pytest.raises(AttributeError):
        kept[0](b"late")
    assert client.get("/last").body == b"/last"


def test_a_hook_that_exits_does_not_take_the_lead_with_it(rig: MakeRig) -> None:
    """SystemExit ends one request only, from wherever it comes."""

    def post_request(worker: object, req: object, environ: Environ, resp: object) -> None:
        if environ["PATH_INFO"] == "/exit":
            sys.exit(1)

    make = rig(hello, settings={"post_request": post_request})
    make.expected_exceptions = 1
    client = make.connect()
    assert client.get("/exit").body == b"/exit"
    assert client.get("/next").body == b"/next"
    assert make.engine._threads.count == 1


def test_a_logger_that_fails_does_not_use_up_the_uploads(rig: MakeRig) -> None:
    """Half of the threads may wait for bodies: of one, the next upload has to have it."""
    make = rig(echo, settings={"threads": 2, "accesslog": "-"}, body_buffer=1)

    def access(*_: object) -> None:
        raise RuntimeError("the disk is full")

    make.log.access = access  # type: ignore[assignment, method-assign]
    make.expected_exceptions = 3
    for _ in range(3):
        client = make.connect()
        client.send(request("/", "Content-Length: 3", method="POST", body=b"abc"))
        assert client.read().body == b"abc"
        assert client.closed()
