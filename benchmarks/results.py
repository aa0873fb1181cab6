"""Figures, and the medians of several rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Figures:
    """What is measured."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """CPU microseconds per request of all the server's processes."""


@dataclass(frozen=True)
class Measurement:
    """One server under one load, once."""

    workload: str
    clients: int
    peer: str
    round: int
    figures: Figures | None
    """None if there was nothing to measure."""
    complaints: tuple[str, ...] = ()
    """What was wrong; a measurement with complaints is worth nothing."""


@dataclass(frozen=True)
class Row:
    """One server under one load: the medians of all rounds."""

    workload: str
    clients: int
    peer: str
    figures: Figures | None
    complaints: tuple[str, ...] = field(default=())

    @property
    def good(self) -> Figures | None:
        """The figures, unless anything was wrong with any of them."""
        return None if self.complaints else self.figures


def rows(measurements: Iterable[Measurement]) -> list[Row]:
    """One for each workload, number of clients and server, in the order in which these first appear."""
    groups: dict[tuple[str, int, str], list[Measurement]] = {}
    for one in measurements:
        groups.setdefault((one.workload, one.clients, one.peer), []).append(one)
    return [_row(*key, group) for key, group in groups.items()]


def _row(workload: str, clients: int, peer: str, group: list[Measurement]) -> Row:
    found = [one.figures for one in group if one.figures is not None]
    complaints = tuple(f"round {one.round}: {text}" for one in group for text in one.complaints)
    return Row(workload, clients, peer, medians(found) if found else None, complaints)


def medians(found: list[Figures]) -> Figures:
    """The median of each figure by itself."""

    def of(figure: Callable[[Figures], float]) -> float:
        return median(figure(one) for one in found)

    return Figures(
        requests_per_second=of(lambda one: one.requests_per_second),
        p50_ms=of(lambda one: one.p50_ms),
        p99_ms=of(lambda one: one.p99_ms),
        cpu_us=of(lambda one: one.cpu_us),
    )
