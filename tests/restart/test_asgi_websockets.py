"""Websockets over restarts: they cannot move, so each is closed, and its client comes back to the new version."""

from __future__ import annotations

import asyncio
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.eventually import eventually
from tests.harness import Program
from tests.restart.clusters import settle
from tests.restart.parking import LONG, MODES, park
from tests.restart.test_asgi_engine import EACH_LOOP

DRAIN = 1.0


class Clients:
    """Websocket clients that come back when they are closed, in an event loop of their own.

    `codes` are the close codes that each has had, in order; `when` the times of them all; `failures` what must not be.
    """

    def __init__(self, address: str, count: int) -> None:
        self._address = address
        self.codes: list[list[int]] = [[] for _ in range(count)]
        self.when: list[float] = []
        self.open = 0
        self.failures: Counter[str] = Counter()
        self.pushed: dict[str, int] = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    @contextmanager
    def running(self) -> Iterator[Clients]:
        """All of them, until the block ends."""
        self._thread.start()
        try:
            eventually(lambda: self.open == len(self.codes), "not all are open")
            yield self
        finally:
            self._ends.set()
            self._thread.join()

    async def _run(self) -> None:
        await asyncio.gather(*(self._stay(number) for number in range(len(self.codes))))

    async def _stay(self, number: int) -> None:
        while not self._ends.is_set():
            who = f"{number}-{len(self.codes[number])}"
            try:
                async with connect(f"ws://{self._address}/push/{who}", proxy=None) as websocket:
                    self.open += 1
                    await self._listen(number, who, websocket)
            except (OSError, InvalidHandshake) as error:
                self.failures[repr(error)] += 1
                return

    async def _listen(self, number: int, who: str, websocket: ClientConnection) -> None:
        heard = 0
        try:
            while not self._ends.is_set():
                if await websocket.recv() != str(heard):
                    self.failures["a message is missing"] += 1
                heard += 1
        except ConnectionClosed as closed:
            self.open -= 1
            self.when.append(time.monotonic())
            self.codes[number].append(closed.rcvd.code if closed.rcvd else 0)
            self.pushed[who] = heard


def sent(program: Program) -> dict[str, int]:
    """How many messages the handlers could send, by websocket."""
    return {who: int(number) for who, number in re.findall(r"^pushed (\S+) (\d+)$", program.text(), re.MULTILINE)}


@MODES
@EACH_LOOP
def test_five_restarts(program: Program, number: int, loop: str) -> None:
    """Each of 200 is told 1012 once a restart, spread over the time for it; what was sent before is not lost."""
    program.start(app="asgi", workers=number, asgi_loop=loop, websocket_drain=DRAIN)
    spread = []
    with Clients(program.address, 200).running() as clients:
        for restarts in range(1, 6):
            before = len(clients.when)
            program.restart()
            settle(program)
            eventually(lambda: clients.open == 200, "not all have come back")
            assert [len(codes) for codes in clients.codes] == [restarts] * 200
            times = sorted(clients.when[before:])
            spread.append(times[-1] - times[0])
    # Where the machine has no time for a server, what is due comes together, but hardly five times.
    assert max(spread) > DRAIN / 2, "they were closed all at once"
    assert clients.failures == {}
    assert {code for codes in clients.codes for code in codes} == {1012}
    eventually(lambda: len(sent(program)) >= 1000, "not all handlers have ended")
    handlers = sent(program)
    lost = {who: (heard, handlers[who]) for who, heard in clients.pushed.items() if heard != handlers[who]}
    assert lost == {}


@MODES
def test_a_stop(program: Program, number: int) -> None:
    """All are told 1001 at once, however long a restart would take."""
    program.start(app="asgi", workers=number, websocket_drain=600)
    clients = Clients(program.address, 20)
    with clients.running():
        program.send(signal.SIGTERM)
        eventually(lambda: all(clients.codes), "not all are closed")
        assert program.wait_status() == 0
    assert {code for codes in clients.codes for code in codes} == {1001}


@pytest.mark.parametrize("number", [0, 2], ids=["single", "two"])
def test_taken_back(program: Program, number: int) -> None:
    """Those that were not closed when the successor is lost stay open."""
    program.start(app="asgi", workers=number, websocket_drain=600, probation=LONG)
    with Clients(program.address, 20).running() as clients:
        successor = park(program)
        program.send(signal.SIGKILL, successor)
        program.wait_for("generation 1 serves again")
        assert program.get("/version").headers["x-generation"] == "1"
        assert clients.codes == [[]] * 20
        assert clients.open == 20
