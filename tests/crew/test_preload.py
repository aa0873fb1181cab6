"""What must not be there at a fork is found, and named; what is harmless is not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from hotswap.crew import preload
from hotswap.errors import BootError


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody to connect to."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_connections(listener: socket.socket) -> None:
    """By whom they lead to; listening sockets, pairs and datagram sockets are no connections."""
    before = preload.connections()
    port = listener.getsockname()[1]
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.connect(listener.getsockname())
        assert preload.connections() == before
        with socket.create_connection(listener.getsockname()) as made:
            assert (made.fileno(), f"127.0.0.1:{port}") in preload.connections()
            made.set_inheritable(True)
            assert preload.connections() == before, "what may have been inherited is not counted"


def test_threads() -> None:
    """Daemon or not, by name; and the refusal says what to do."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="poller", daemon=True)
    thread.start()
    try:
        assert "poller" in preload.threads()
        with pytest.raises(BootError, match=r"the thread 'poller' was started.* before the fork: .*post_fork"):
            preload.check()
    finally:
        end.set()
        thread.join()
