"""What is asked of every server."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.apps.answers import DOWN, HELLO, JSON, MIB, UP

RAW = "benchmarks.apps.raw"
PAGES = "benchmarks.apps.pages"

#: With this many connections at a time; each asks again as soon as it was answered.
CLIENTS = (1, 64)


@dataclass(frozen=True)
class Ask:
    """One request, the answer it must get, and how often it comes in each turn of its workload."""

    path: str
    answer: bytes
    body: int = 0
    """Bytes sent with POST; 0 is a GET."""
    times: int = 1


@dataclass(frozen=True)
class Workload:
    """Requests that follow each other over and over again."""

    name: str
    title: str
    app: str
    """The module whose `application` is served."""
    asks: tuple[Ask, ...]
    beside: Ask | None = None
    """What one more client asks for meanwhile, all the time."""
    workers: int = 1
    """How many processes serve."""

    @property
    def answer_bytes(self) -> int:
        """How long all the answers of one turn are, without their heads."""
        return sum(len(ask.answer) * ask.times for ask in self.asks)


def _one(name: str, title: str, app: str, ask: Ask, beside: Ask | None = None) -> Workload:
    return Workload(name, title, app, (ask,), beside)


#: In the order of the report. The two mixtures differ in what a server can know: one path for both kinds of call, as
#: with a cache that answers nine times of ten; or a path for each, so that it can be learnt which of them blocks.
WORKLOADS = (
    _one("hello", "hello", RAW, Ask("/hello", HELLO)),
    _one("flask", "Flask hello", PAGES, Ask("/hello", HELLO)),
    _one("json", "Flask JSON of 10 kB", PAGES, Ask("/json", JSON)),
    _one("up", "1 MiB body up", RAW, Ask("/up", UP, body=MIB)),
    _one("down", "1 MiB body down", RAW, Ask("/down", DOWN)),
    _one("block", "10 ms blocking call", RAW, Ask("/block?ms=10", HELLO)),
    Workload(
        "mixture",
        "mixture: 90 % at once, 10 % blocking 20 ms, one path",
        RAW,
        (Ask("/block?ms=0", HELLO, times=9), Ask("/block?ms=20", HELLO)),
    ),
    Workload(
        "routes",
        "mixture: 90 % at once, 10 % blocking 20 ms, two paths",
        RAW,
        (Ask("/block/quick?ms=0", HELLO, times=9), Ask("/block?ms=20", HELLO)),
    ),
    _one("compute", "2 ms CPU-bound call", RAW, Ask("/compute?ms=2", HELLO)),
    _one(
        "beside",
        "hello beside a 200 ms CPU-bound call",
        RAW,
        Ask("/hello", HELLO),
        beside=Ask("/compute?ms=200", HELLO),
    ),
    Workload("hello-2", "hello, two workers", RAW, (Ask("/hello", HELLO),), workers=2),
    Workload("flask-2", "Flask hello, two workers", PAGES, (Ask("/hello", HELLO),), workers=2),
)
