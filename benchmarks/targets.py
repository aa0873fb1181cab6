"""What hotswap is to reach, and whether it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.peer import HOTSWAP, Peer
from benchmarks.peers import OURS
from benchmarks.results import Figures, Row
from benchmarks.workloads import WORKLOADS


@dataclass(frozen=True)
class CpuTarget:
    """CPU time per request, as a share of what a peer needs."""

    workload: str
    peer: str
    """Its name; hotswap's own if one of its workloads is held against another."""
    at_most: float
    against: str = ""
    """The peer's workload, if it is not the same."""


CPU_TARGETS = (
    CpuTarget("hello", "fastpysgi", 1.2),
    CpuTarget("hello", "peregrine-1", 1.3),
    CpuTarget("hello", "peregrine", 0.3),
    CpuTarget("hello", "granian", 0.3),
    CpuTarget("hello", "granian-1", 0.6),
    CpuTarget("hello", "gunicorn", 0.08),
    CpuTarget("flask", "fastpysgi", 1.1),
    CpuTarget("flask", "granian", 0.75),
    CpuTarget("flask", "granian-1", 0.75),
    CpuTarget("logged", HOTSWAP, 1.6, against="hello"),
    CpuTarget("asgi-hello", "uvicorn", 0.7),
    CpuTarget("asgi-hello", "granian-asgi", 1.05),
    CpuTarget("fastapi", "uvicorn", 0.9),
)


@dataclass(frozen=True)
class Verdict:
    """One target and what became of it."""

    workload: str
    clients: int
    figure: str
    peer: str
    ours: float | None
    """None if our own measurement had errors."""
    theirs: float
    limit: float
    more_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        """Ours by theirs; None if there is no figure of ours."""
        return None if self.ours is None else self.ours / self.theirs

    @property
    def margin(self) -> float | None:
        """What there is to spare, as a share of the limit; below 0 it was missed by so much."""
        if self.ratio is None:
            return None
        # To the hundredth: two servers that wait for the same 10 ms are never equal in the fourth digit.
        beyond = round(self.ratio, 2) / self.limit - 1
        return beyond if self.more_is_better else -beyond

    @property
    def reached(self) -> bool:
        """Whether it was."""
        return self.margin is not None and self.margin > -1e-9

    @property
    def text(self) -> str:
        """The verdict in words."""
        if self.margin is None:
            return "**missed**: there were errors"
        if self.margin > 1:
            return "reached by far"
        if self.reached:
            return f"reached, {self.margin:.0%} to spare" if self.margin > 0.005 else "reached"
        return f"**missed** by {-self.margin:.0%}"


def cpu_verdicts(rows: Sequence[Row]) -> list[Verdict]:
    """What became of CPU_TARGETS, of those that can be judged: a verdict for each number of clients."""
    return [verdict for target in CPU_TARGETS for verdict in _judged(rows, target)]


def unjudged(rows: Sequence[Row], interface: str) -> list[CpuTarget]:
    """The targets of an interface of which nothing is known: a peer was not measured, or it had errors."""
    workloads = {one.name for one in WORKLOADS if one.interface == interface}
    return [target for target in CPU_TARGETS if target.workload in workloads and not _judged(rows, target)]


def _judged(rows: Sequence[Row], target: CpuTarget) -> list[Verdict]:
    return [
        Verdict(
            *(row.workload, row.clients, "CPU per request", f"{target.peer}, {target.against}".removesuffix(", ")),
            *(None if row.good is None else row.good.cpu_us, theirs.cpu_us, target.at_most),
        )
        for row, theirs in _pairs(rows, target.workload, target.against or target.workload, target.peer)
    ]


def best_verdicts(rows: Sequence[Row], peers: Iterable[Peer]) -> list[Verdict]:
    """For every workload: requests/s of the peer that has most of them, and that peer's p99.

    Peers that are maintained and whose calls run side by side: the others are free of what this costs.
    """
    names = [peer.name for peer in peers if peer.maintained and peer.side_by_side and not peer.ours]
    best: dict[tuple[str, int], tuple[Row, str, Figures]] = {}
    for workload in dict.fromkeys(row.workload for row in rows):
        for name in names:
            for ours, theirs in _pairs(rows, workload, workload, name):
                key = workload, ours.clients
                if key not in best or best[key][2].requests_per_second < theirs.requests_per_second:
                    best[key] = ours, name, theirs
    return [verdict for found in best.values() for verdict in _both(*found)]


def _both(ours: Row, peer: str, theirs: Figures) -> Iterator[Verdict]:
    mine = ours.good
    rate = None if mine is None else mine.requests_per_second
    late = None if mine is None else mine.p99_ms
    where = ours.workload, ours.clients
    yield Verdict(*where, "requests/s", peer, rate, theirs.requests_per_second, 1.0, more_is_better=True)
    yield Verdict(*where, "p99", peer, late, theirs.p99_ms, 1.0)


def _pairs(rows: Sequence[Row], workload: str, against: str, peer: str) -> Iterator[tuple[Row, Figures]]:
    """Our row, and a peer's figures with as many clients; without those where the peer had errors."""
    theirs = {row.clients: row.good for row in rows if row.workload == against and row.peer == peer}
    for row in rows:
        if row.workload == workload and row.peer in OURS.values() and (good := theirs.get(row.clients)) is not None:
            yield row, good
