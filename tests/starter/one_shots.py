"""One-shot clients that keep what became of each request, and when: for tests in which processes are killed."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import NamedTuple

from tests.asking import connect, read_answer, request
from tests.eventually import eventually

#: Seconds between two requests of a client; a port lies fallow after each.
PAUSE = 0.03
#: Seconds for an answer: a server that has died for the fourth time comes back after 4 s.
PATIENCE = 30.0


class Lost(NamedTuple):
    """A request without an answer: when its client began to connect (time.monotonic()), and whether it was refused."""

    began: float
    refused: bool
    error: str


class OneShots:
    """So many clients, each on a thread of its own, from `with` on until its end."""

    def __init__(self, address: str, count: int = 20) -> None:
        self._address = address
        self._over = threading.Event()
        self._answered = [0] * count
        self.lost: list[Lost] = []
        self._threads = [threading.Thread(target=self._live, args=(number,), daemon=True) for number in range(count)]

    def _live(self, number: int) -> None:
        while not self._over.wait(PAUSE):
            self._ask(number)

    def _ask(self, number: int) -> None:
        # Before: a thread that waits for its turn would say later of a connection that has long been there.
        began, refused = time.monotonic(), True
        try:
            with connect(self._address, timeout=PATIENCE) as sock:
                refused = False
                sock.sendall(request("/", "Connection: close"))
                assert read_answer(sock).status == 200
        except (OSError, EOFError, AssertionError) as error:
            self.lost.append(Lost(began, refused, repr(error)))
        else:
            self._answered[number] += 1

    def wait_answers(self) -> None:
        """Until each of them has begun a request and has its answer."""
        # The one under way does not count.
        before = [answered + 1 for answered in self._answered]
        eventually(
            lambda: all(now > then for now, then in zip(self._answered, before, strict=True)),
            "clients are not answered",
            deadline=PATIENCE,
        )

    def __enter__(self) -> OneShots:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
