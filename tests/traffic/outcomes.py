"""What became of every request, counted by kind of client and by class; and the sum that tests look at."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.traffic.answers import Answer

EXAMPLES_KEPT = 20

CLASSES = {
    "refused": "no process listens at the address",
    "not_connected": "connecting failed in another way, or took too long",
    "reset": "the connection was reset before a byte of the answer came",
    "reset_mid_answer": "the connection was reset when a part of the answer had come",
    "reset_after_answer": "the answer was whole, but then came a reset, which can destroy answers on the way",
    "closed_without_answer": "the server closed where an answer was due",
    "closed_mid_answer": "the server closed in the middle of an answer",
    "timeout": "no byte, or not all of the answer, within the time limit",
    "malformed": "what came is no HTTP answer, or an ambiguous one",
    "bad_status": "a whole answer with another status than 200",
    "wrong_body": "a whole answer, but not to what was asked",
    "unasked": "bytes came that no request had asked for",
    "not_closed": "the client asked for Connection: close and the server left it open",
    "never_answered": "clients of this kind got no good answer at all (so nothing was tested)",
}


class Failure(Exception):
    """A request did not get its answer; `cls` is one of CLASSES."""

    def __init__(self, cls: str, detail: str = "") -> None:
        if cls not in CLASSES:
            raise ValueError(f"unknown class of failure {cls!r}")
        super().__init__(cls, detail)
        self.cls = cls
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.cls}: {self.detail or CLASSES[self.cls]}"


@dataclass
class Result:
    """What clients met. `failures` by kind and class, empty when all went well; the rest are plain counts."""

    failures: dict[str, dict[str, int]] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    """Good answers by kind of client."""
    opened: int = 0
    """Connections opened."""
    opened_by_kind: dict[str, int] = field(default_factory=dict)
    """The same by kind of client."""
    closed_by_server: int = 0
    """Connections the server ended (FIN, RST, or announced it) though the client had not asked for it."""
    closed_in_answer: int = 0
    """Those of them that were announced by `Connection: close` in an answer."""
    versions: dict[str, int] = field(default_factory=dict)
    """Answers by their X-Version header, in the order in which the versions were first seen."""
    generations: dict[str, int] = field(default_factory=dict)
    """Answers by their X-Generation header."""
    slowest_by_kind: dict[str, float] = field(default_factory=dict)
    """Seconds from asking to the last byte; for one-shot clients connecting is part of it."""
    slowest: float = 0.0
    """The same over all kinds that do not take their time themselves."""
    seconds: float = 0.0
    examples: list[str] = field(default_factory=list)
    """The first failures and closed connections, with time, kind and local address."""

    @property
    def requests(self) -> int:
        """Requests with an outcome, good or bad."""
        return sum(self.answered.values()) + self.failed

    @property
    def failed(self) -> int:
        """Requests without a good answer."""
        return sum(sum(classes.values()) for classes in self.failures.values())

    def __str__(self) -> str:
        lines = [
            f"{self.requests} requests in {self.seconds:.1f} s, {self.failed} failed: {self.failures}",
            f"answered {self.answered}, slowest {self.slowest * 1000:.0f} ms",
            f"{self.opened} connections opened, {self.closed_by_server} closed by the server"
            f" ({self.closed_in_answer} announced in an answer)",
            f"versions {self.versions}, generations {self.generations}",
        ]
        return "\n".join([*lines, *self.examples])


class Tally:
    """Counts while traffic runs; may be read from another thread at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._ended: float | None = None
        self._failures: dict[str, Counter[str]] = {}
        self._answered: Counter[str] = Counter()
        self._versions: Counter[str] = Counter()
        self._generations: Counter[str] = Counter()
        self._slowest: dict[str, float] = {}
        self._slowest_prompt = 0.0
        self._opened: Counter[str] = Counter()
        self._closed = self._announced = 0
        self._examples: list[str] = []

    def answer(self, kind: str, answer: Answer, seconds: float, *, prompt: bool) -> None:
        """A good answer; `prompt` says that its time is the server's doing alone."""
        with self._lock:
            self._answered[kind] += 1
            if (version := answer.headers.get("x-version")) is not None:
                self._versions[version] += 1
            if (generation := answer.headers.get("x-generation")) is not None:
                self._generations[generation] += 1
            self._slowest[kind] = max(seconds, self._slowest.get(kind, 0.0))
            if prompt:
                self._slowest_prompt = max(seconds, self._slowest_prompt)

    def failure(self, kind: str, failure: Failure, where: str, times: int = 1) -> None:
        """`times` requests of one connection failed in the same way."""
        with self._lock:
            self._failures.setdefault(kind, Counter())[failure.cls] += times
            self._example(f"{kind} client at {where}: {failure}")

    def stop(self) -> None:
        """Traffic is over: its seconds are not counted further."""
        self._ended = time.monotonic()

    def opened(self, kind: str) -> None:
        """A connection was established."""
        with self._lock:
            self._opened[kind] += 1

    def closed(self, kind: str, how: str, where: str, *, announced: bool) -> None:
        """The server ended a connection that the client meant to keep."""
        with self._lock:
            self._closed += 1
            self._announced += announced
            self._example(f"{kind} client at {where}: the server closed it, {how}")

    def _example(self, text: str) -> None:
        if len(self._examples) < EXAMPLES_KEPT:
            self._examples.append(f"{time.monotonic() - self._began:7.3f} s {text}")

    def result(self) -> Result:
        """The counts of this moment."""
        with self._lock:
            return Result(
                failures={kind: dict(classes) for kind, classes in self._failures.items()},
                answered=dict(self._answered),
                opened=sum(self._opened.values()),
                opened_by_kind=dict(self._opened),
                closed_by_server=self._closed,
                closed_in_answer=self._announced,
                versions=dict(self._versions),
                generations=dict(self._generations),
                slowest_by_kind=dict(self._slowest),
                slowest=self._slowest_prompt,
                seconds=(self._ended or time.monotonic()) - self._began,
                examples=list(self._examples),
            )
