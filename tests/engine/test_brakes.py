"""What fails in the engine's loops, and fails again at once, costs neither the processor nor the log."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from time import monotonic

import pytest

from hotswap.engine.connections.pollables import PAUSE
from hotswap.engine.connections.state import BREATH
from hotswap.engine.wsgi.blocking_routes import BlockingRoutes
from tests.engine.apps import hello
from tests.engine.engine_server import DEADLINE, Serve, request
from tests.engine.hooked_epoll import nothing
from tests.eventually import eventually


class Failing:
    """A callback for a descriptor that has always something to say; it fails until `mended`."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.mended = threading.Event()
        self.read = threading.Event()

    def __call__(self, fd: int) -> None:
        self.times.append(monotonic())
        if not self.mended.is_set():
            raise ValueError("not yet")
        os.read(fd, 1)
        self.read.set()


@pytest.fixture
def pipe() -> Iterator[int]:
    """The reading end of one with a byte in it."""
    read, write = os.pipe()
    os.write(write, b"x")
    yield read
    os.close(read)
    os.close(write)


def test_a_source_that_fails_is_left_alone_for_a_moment(serve: Serve, pipe: int) -> None:
    """It is logged once, clients are served meanwhile, and what waits there is read when it can be."""
    server, failing = serve(hello), Failing()
    server.expected_exceptions = 1
    server.engine.add_source(pipe, failing)
    eventually(lambda: len(failing.times) >= 3)
    assert failing.times[2] - failing.times[0] >= 2 * PAUSE
    assert server.get().status == 200
    failing.mended.set()
    assert failing.read.wait(DEADLINE)
    server.engine.remove_source(pipe)


def test_a_source_can_be_taken_away_while_it_is_left_alone(serve: Serve, pipe: int) -> None:
    """The number may be another's by the end of the pause; and be a source again."""
    server, failing, another = serve(hello), Failing(), Failing()
    server.expected_exceptions = 1
    server.engine.add_source(pipe, failing)
    eventually(lambda: server.engine.debug_view().paused)
    server.engine.remove_source(pipe)
    assert not server.engine.debug_view().paused
    another.mended.set()
    server.engine.add_source(pipe, another)
    assert another.read.wait(DEADLINE)
    assert len(failing.times) == 1
    server.engine.remove_source(pipe)


def test_a_listener_that_was_shut_down_does_not_keep_the_leader(serve: Serve) -> None:
    """By the application, or by another process that has it: accept(2) fails, and poll(2) says all the time that there
    is something. Connected clients are served."""
    server = serve(hello)
    server.expected_exceptions = 1
    client = server.connect()
    assert client.get().status == 200
    server.listener.shutdown(socket.SHUT_RDWR)
    eventually(lambda: len(server.log.said("exception")) == 1)
    for _ in range(20):
        assert client.get().status == 200


def test_a_loop_that_fails_takes_a_breath(serve: Serve) -> None:
    """As long as nothing can be polled; when it can be, it goes on."""
    server = serve(hello)
    server.expected_exceptions = 1
    client = server.connect()
    failures: list[float] = []

    def fail(act: str, _: int) -> None:
        if act == "poll":
            failures.append(monotonic())
            raise OSError("no poll")

    assert client.get().status == 200
    server.epoll.before = fail
    client.send(request())  # the leader may wait in epoll already: then this ends its wait
    eventually(lambda: len(failures) >= 3)
    assert failures[2] - failures[0] >= 2 * BREATH
    server.epoll.before = nothing
    assert client.read().status == 200
    assert client.get().status == 200


def test_a_monitor_that_fails_takes_a_breath(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """And looks again: a leader that is stuck would be stuck for good."""
    server = serve(hello)
    server.expected_exceptions = 1
    failures: list[float] = []

    def fail(routes: BlockingRoutes, now: float) -> bool:
        failures.append(monotonic())
        raise ValueError("no look")

    monkeypatch.setattr(BlockingRoutes, "often_block", fail)
    assert server.get().status == 200  # which wakes it
    eventually(lambda: len(failures) >= 3)
    assert failures[2] - failures[0] >= 2 * BREATH
    monkeypatch.undo()
    assert server.get().status == 200
