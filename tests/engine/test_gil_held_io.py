"""Socket calls that keep the GIL: what they give, what they leave to Python's own, and that they do keep it."""

from __future__ import annotations

import itertools
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hotswap.engine.transport.gil_held_io import GilHeldIo
from tests.eventually import eventually

SIZE = 1000
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield ours, theirs


def test_what_is_there_is_read(pair: Pair) -> None:
    """As much as the buffer holds, any bytes, and b"" at the end."""
    ours, theirs = pair
    calls = GilHeldIo(SIZE)
    data = bytes(range(256)) * 5
    theirs.send(data)
    assert calls.recv(ours) == data[:SIZE]
    assert calls.recv(ours) == data[SIZE:]
    theirs.close()
    assert calls.recv(ours) == b""


def test_what_is_read_does_not_change_later(pair: Pair) -> None:
    """The buffer is used again, what came out of it is not."""
    ours, theirs = pair
    calls = GilHeldIo(SIZE)
    theirs.send(b"first")
    first = calls.recv(ours)
    theirs.send(b"other")
    assert (first, calls.recv(ours)) == (b"first", b"other")


def test_what_the_client_takes_is_sent(pair: Pair) -> None:
    """All of it or a part, bytes after a NUL too."""
    ours, theirs = pair
    calls = GilHeldIo(SIZE)
    assert calls.send(ours, b"a\0b") == 3
    assert theirs.recv(10) == b"a\0b"
    assert 0 < calls.send(ours, b"x" * (64 << 20)) < 64 << 20


def test_errors_are_python_s(pair: Pair) -> None:
    """Nothing to read, no room, no peer any more. No signal ends the process."""
    ours, theirs = pair
    calls = GilHeldIo(SIZE)
    with pytest.raises(BlockingIOError):
        calls.recv(ours)
    calls.send(ours, b"x" * (64 << 20))  # as much as there is room for
    with pytest.raises(BlockingIOError):
        calls.send(ours, b"x")
    theirs.close()
    with pytest.raises(BrokenPipeError):
        calls.send(ours, b"x")


def test_other_kinds_of_sockets_are_asked_themselves(pair: Pair) -> None:
    """With TLS, what the file has to say is not what the client said."""

    class Upper(socket.socket):
        def recv(self, size: int, flags: int = 0, /) -> bytes:
            return super().recv(size, flags).upper()

        def send(self, data: Any, flags: int = 0, /) -> int:
            return super().send(data.upper(), flags)

    ours, theirs = pair
    calls = GilHeldIo(SIZE)
    theirs.send(b"x")
    with Upper(fileno=ours.detach()) as other:
        assert calls.recv(other) == b"X"
        assert calls.send(other, b"y") == 1
    assert theirs.recv(10) == b"Y"


def test_no_other_thread_runs_meanwhile(pair: Pair) -> None:
    """A thread that waits for the GIL gets it at the first call of Python's own, and at none of these."""
    ours, theirs = pair
    calls = GilHeldIo(SIZE)
    count, stop = itertools.count(), threading.Event()
    seen = [0]

    def compute() -> None:
        while not stop.is_set():
            seen[0] = next(count)

    thread = threading.Thread(target=compute)
    interval = sys.getswitchinterval()
    thread.start()
    try:
        eventually(lambda: seen[0] > 1000)
        sys.setswitchinterval(2)
        yielded = seen[0]
        eventually(lambda: seen[0] > yielded)  # it has had its turn: from here on the long interval counts
        before = seen[0]
        for _ in range(200):
            calls.send(theirs, b"x")
            calls.recv(ours)
        assert seen[0] == before
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        thread.join()
