"""One client: opens connections and takes turns on them as its kind does, until traffic is over."""

from __future__ import annotations

import itertools
import secrets
import time
from dataclasses import dataclass, field

from tests.traffic.answers import Answer
from tests.traffic.connection import Connection, Target
from tests.traffic.kinds import KINDS, Paths
from tests.traffic.loop import Loop, wait
from tests.traffic.outcomes import Failure, Tally

AFTER_FAILURE = 0.02
"""Seconds before a client connects again after a failure, or a refusing server would make it spin."""


@dataclass
class Run:
    """What all clients of one traffic share."""

    loop: Loop
    target: Target
    paths: Paths
    timeout: float
    left: int
    """Requests that may still be made."""
    until: float = float("inf")
    stopped: bool = False
    told: int = 0
    """How often the clients were told that there is news."""
    tally: Tally = field(default_factory=Tally)
    _prefix: str = field(default_factory=lambda: secrets.token_hex(4))
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def going(self) -> bool:
        """Whether something new may still be asked."""
        return not self.stopped and self.left > 0 and time.monotonic() < self.until

    def take(self, requests: int) -> None:
        """So many requests are about to be made; the last ones wake the clients that wait for news."""
        self.left -= requests
        if self.left <= 0:
            self.loop.tell()

    def token(self) -> str:
        """A text that no other request has."""
        return f"{self._prefix}-{next(self._numbers)}."


class Client:
    """Does on its connections what its kind says, and has every outcome counted."""

    def __init__(self, run: Run, name: str, pause: float) -> None:
        self.paths = run.paths
        self.host = run.target.host
        self.timeout = run.timeout
        self._run = run
        self._name = name
        self._kind = KINDS[name]
        self._pause = pause
        self._due = 0
        """Requests of the present turn that have no good answer yet."""

    async def live(self) -> None:
        """Connects, takes turns, connects again."""
        while self._run.going:
            connection = Connection(self._run.loop, self._run.target, self._kind.receive_buffer)
            self._due = 1
            well = True
            try:
                await self._use(connection)
            except Failure as failure:
                well = False
                self._run.tally.failure(self._name, failure, connection.where, max(1, self._due))
            finally:
                connection.close()
            if connection.ended:
                how, where = connection.ended, connection.where
                self._run.tally.closed(self._name, how, where, announced=connection.announced)
            await self._breathe(self._pause if well else AFTER_FAILURE)

    async def _breathe(self, seconds: float) -> None:
        await wait(None, 0, time.monotonic() + seconds, news=True)

    async def _use(self, connection: Connection) -> None:
        await connection.open(time.monotonic() + self.timeout)
        self._run.tally.opened(self._name)
        while self._run.going and not connection.over:
            self._due = self._kind.asks
            self._run.take(self._due)
            await self._kind.turn(self, connection)
            self._due = 0
            if self._kind.once:
                return
            await connection.rest(min(time.monotonic() + self._pause, self._run.until), news=True)
        await connection.rest(0.0)  # a last look: the server may have ended it just now

    # What a turn uses (kinds.Asking).

    @property
    def going(self) -> bool:
        """Whether something new may still be asked."""
        return self._run.going

    def token(self) -> str:
        """A text that no other request has."""
        return self._run.token()

    async def news(self, connection: Connection, seconds: float) -> None:
        """Keeps the connection idle, but watched, until there is news, the time or traffic is over."""
        told, until = self._run.told, min(time.monotonic() + seconds, self._run.until)
        while self.going and self._run.told == told:
            if not await connection.rest(until, news=True):
                return

    def good(self, answer: Answer, began: float) -> None:
        """Counts a good answer to a request asked at that time."""
        self._due -= 1
        self._run.tally.answer(self._name, answer, time.monotonic() - began, prompt=self._kind.prompt)
