"""Many connections at once from one process: idle between requests, or so slow that no request is ever whole."""

from __future__ import annotations

import resource
import select
import socket
from collections import Counter
from contextlib import ExitStack
from types import TracebackType

from tests.asking import connect, read_answer, request

PATIENCE = 30.0
_HEADROOM = 200


def allow_descriptors(count: int) -> None:
    """Raise this process's limit so that it can hold `count` connections. Raises OSError if it may not."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if count + _HEADROOM > hard:
        raise OSError(f"{count} connections need {count + _HEADROOM} descriptors, and {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class ManyConnections:
    """So many connections to `127.0.0.1:80`, open until the end of the `with` block."""

    def __init__(self, address: str, count: int) -> None:
        allow_descriptors(count)
        self._open = ExitStack()
        self.socks: list[socket.socket] = []
        with ExitStack() as opening:
            for _ in range(count):
                self.socks.append(opening.enter_context(connect(address, timeout=PATIENCE)))
            self._open = opening.pop_all()

    def __enter__(self) -> ManyConnections:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def get(self, path: str) -> Counter[bytes]:
        """The same question on all of them, before the first answer is read: how often each answer came.

        Raises EOFError, OSError, AssertionError if one was lost or badly answered.
        """
        for sock in self.socks:
            sock.sendall(request(path))
        found: Counter[bytes] = Counter()
        for sock in self.socks:
            answer = read_answer(sock)
            assert (answer.status, answer.closes) == (200, False), answer
            found[answer.body] += 1
        return found

    def send(self, data: bytes) -> None:
        """The same bytes on all of them."""
        for sock in self.socks:
            sock.sendall(data)

    def readable(self) -> int:
        """How many of them have something to read, be it only their end."""
        poll = select.poll()
        for sock in self.socks:
            poll.register(sock, select.POLLIN)
        return len(poll.poll(0))
