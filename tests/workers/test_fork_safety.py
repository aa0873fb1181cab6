"""What must not be there at a fork is found, and named; what is harmless, or was there before, is not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from hotswap.errors import BootError
from hotswap.system.unforkable import Unforkable, connections
from hotswap.workers import fork_safety


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listener to connect to."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def start() -> Iterator[Callable[[str], None]]:
    """Starts threads, and ends them after the test."""
    end = threading.Event()
    threads = []

    def start(name: str) -> None:
        threads.append(threading.Thread(target=end.wait, name=name, daemon=True))
        threads[-1].start()

    yield start
    end.set()
    for thread in threads:
        thread.join()


def test_connections(listener: socket.socket) -> None:
    """Each with its peer; listening sockets, pairs and datagram sockets are no connections."""
    before = connections()
    port = listener.getsockname()[1]
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.connect(listener.getsockname())
        assert connections() == before
        with socket.create_connection(listener.getsockname()) as made:
            assert (made.fileno(), f"127.0.0.1:{port}") in connections()
            made.set_inheritable(True)
            assert connections() == before, "what may have been inherited is not counted"


def test_threads(start: Callable[[str], None]) -> None:
    """Daemon or not, by name; and the refusal says what to do."""
    start("poller")
    with pytest.raises(BootError, match=r"the thread 'poller' was started.* before the fork: .*post_fork"):
        fork_safety.check(Unforkable())


def test_what_was_there_before(start: Callable[[str], None], listener: socket.socket) -> None:
    """An agent's: the warning names it, and the refusal names only what came later."""
    start("agent")
    with socket.create_connection(listener.getsockname()) as made:
        before = Unforkable.now()
        said = fork_safety.check(before)
        assert "the thread 'agent'" in said
        assert f"a connection to 127.0.0.1:{listener.getsockname()[1]} (descriptor {made.fileno()})" in said
        start("poller")
        with pytest.raises(BootError) as raised:
            fork_safety.check(before)
        assert "the thread 'poller' was started before the fork" in str(raised.value)
        assert "agent" not in str(raised.value)


def test_what_has_gone_since(start: Callable[[str], None], listener: socket.socket) -> None:
    """Is not named; and another connection at its number is another one."""
    before = Unforkable.now()
    with socket.create_connection(listener.getsockname()):
        during = Unforkable.now()
    assert fork_safety.check(before) == fork_safety.check(during)
