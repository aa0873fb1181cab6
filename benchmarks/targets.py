"""What hotswap is to reach, and whether it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.peers import HOTSWAP, Peer
from benchmarks.results import Figures, Row


@dataclass(frozen=True)
class CpuTarget:
    """CPU time per request, as a share of what a peer needs."""

    workload: str
    distribution: str
    """The peer, with whatever settings it was measured."""
    at_most: float


CPU_TARGETS = (
    CpuTarget("hello", "granian", 0.6),
    CpuTarget("hello", "gunicorn", 0.08),
    CpuTarget("flask", "granian", 0.75),
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


def cpu_verdicts(rows: Sequence[Row], peers: Iterable[Peer]) -> list[Verdict]:
    """What became of CPU_TARGETS: a verdict for each number of clients and each of a peer's settings."""
    named: dict[str, list[str]] = {}
    for peer in peers:
        named.setdefault(peer.distribution, []).append(peer.name)
    return [
        _cpu(ours, row, target.at_most)
        for target in CPU_TARGETS
        for ours, row in _pairs(rows, target.workload, named.get(target.distribution, []))
    ]


def _cpu(ours: Row, row: Row, at_most: float) -> Verdict:
    mine = None if ours.good is None else ours.good.cpu_us
    return Verdict(row.workload, row.clients, "CPU per request", row.peer, mine, _good(row).cpu_us, at_most)


def best_verdicts(rows: Sequence[Row], peers: Iterable[Peer]) -> list[Verdict]:
    """For every workload: requests/s of the maintained peer that has most of them, and that peer's p99."""
    maintained = [peer.name for peer in peers if peer.maintained and peer.name != HOTSWAP]
    best: dict[tuple[str, int], tuple[Row, Row]] = {}
    for workload in dict.fromkeys(row.workload for row in rows):
        for ours, row in _pairs(rows, workload, maintained):
            key = row.workload, row.clients
            if key not in best or _good(best[key][1]).requests_per_second < _good(row).requests_per_second:
                best[key] = ours, row
    return [verdict for ours, row in best.values() for verdict in _both(ours, row)]


def _both(ours: Row, row: Row) -> Iterator[Verdict]:
    mine, theirs = ours.good, _good(row)
    rate = None if mine is None else mine.requests_per_second
    late = None if mine is None else mine.p99_ms
    where = row.workload, row.clients
    yield Verdict(*where, "requests/s", row.peer, rate, theirs.requests_per_second, 1.0, more_is_better=True)
    yield Verdict(*where, "p99", row.peer, late, theirs.p99_ms, 1.0)


def _pairs(rows: Sequence[Row], workload: str, peers: Iterable[str]) -> Iterator[tuple[Row, Row]]:
    """Our row and a peer's under the same load; without those where the peer had errors."""
    ours = {row.clients: row for row in rows if row.workload == workload and row.peer == HOTSWAP}
    for row in rows:
        if row.workload == workload and row.peer in peers and row.clients in ours and row.good is not None:
            yield ours[row.clients], row


def _good(row: Row) -> Figures:
    assert row.good is not None, "rows with errors are no mark to reach"
    return row.good
