"""All measurements of a run: servers in turn, several rounds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.apps.work import loops_per_ms
from benchmarks.errors import BenchmarkError
from benchmarks.measure import measure
from benchmarks.peer import Peer
from benchmarks.plan import Plan
from benchmarks.results import Measurement
from benchmarks.server import Server
from benchmarks.workloads import Workload

Say = Callable[[str], None]


def run(plan: Plan, say: Say) -> list[Measurement]:
    """Measures, and says each figure as it is found.

    Each workload is measured with one server right after the other, and each round begins with another one: so what
    else goes on on the machine, and how warm it is, falls on all of them. Every server is started anew for each.
    """
    found = []
    loops = loops_per_ms()
    for number in range(plan.rounds):
        say(f"round {number + 1} of {plan.rounds}")
        for workload in plan.workloads:
            for peer in _from([peer for peer in plan.peers if peer.serves(workload)], number):
                for one in _measurements(plan, workload, peer, number + 1, loops):
                    say(said(one))
                    found.append(one)
    return found


def _from(peers: list[Peer], place: int) -> list[Peer]:
    place %= max(1, len(peers))
    return peers[place:] + peers[:place]


def _measurements(plan: Plan, workload: Workload, peer: Peer, number: int, loops: float) -> Iterator[Measurement]:
    left = list(plan.clients_of(workload))
    try:
        with tempfile.TemporaryDirectory() as folder, Server(peer, workload, Path(folder), loops) as server:
            for clients in plan.clients_of(workload):
                figures, complaints = measure(server, workload, clients, plan.times)
                left.remove(clients)
                yield Measurement(workload.name, clients, peer.name, number, figures, tuple(complaints))
    except (BenchmarkError, ProcessLookupError) as error:
        for clients in left:
            yield Measurement(workload.name, clients, peer.name, number, None, (str(error),))


def said(one: Measurement) -> str:
    """A measurement as one line."""
    parts = [f"{one.workload:12} {one.clients:3} clients {one.peer:15}"]
    if one.figures is not None:
        parts.append(
            f"{one.figures.requests_per_second:9,.0f}/s   p50 {one.figures.p50_ms:8.2f} ms"
            f"   p99 {one.figures.p99_ms:8.2f} ms   {one.figures.cpu_us:9,.1f} CPU µs/request"
        )
    return "   ".join([*parts, *(f"WRONG: {complaint}" for complaint in one.complaints)])
