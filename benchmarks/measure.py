"""One figure: a server, a workload, a number of clients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.ask import calls, check
from benchmarks.echo import check_echo, echo_load
from benchmarks.errors import BenchmarkError
from benchmarks.load import Load, Wrk
from benchmarks.results import Figures
from benchmarks.server import Server
from benchmarks.workloads import Workload


@dataclass(frozen=True)
class Times:
    """Seconds under load: unmeasured first, because a server may learn and start threads, then measured."""

    warm_up: float
    measured: float


@dataclass(frozen=True)
class Reading:
    """How often the application was called so far, and the CPU seconds of all that the server did until then."""

    calls: int
    cpu: float

    def since(self, before: Reading) -> Reading:
        """What came between two readings: the call by which the second was made is part of it, CPU time and all."""
        return Reading(self.calls - before.calls, self.cpu - before.cpu)


def measure(server: Server, workload: Workload, clients: int, times: Times) -> tuple[Figures, list[str]]:
    """The figures, and what is wrong with them.

    Raises:
        BenchmarkError: there are none: wrong answers, or none at all.
    """
    lengths = _check(server, workload)
    with _beside(server, workload):
        _load(server, workload, clients, times.warm_up)
        before = _read(server, workload)
        load = _load(server, workload, clients, times.measured)
        between = _read(server, workload).since(before)
    _check(server, workload)
    if not load.requests:
        raise BenchmarkError(f"nothing was answered within {load.seconds:.1f} s")
    return figures(load, between, workload), complaints(load, between, workload, clients, lengths)


def figures(load: Load, between: Reading, workload: Workload) -> Figures:
    """What is reported.

    CPU time is divided by calls and not by answers: clients that left before their answer came are work, too. Beside
    other calls it cannot be; the few that are then missing do not count among so many.
    """
    requests = load.requests if workload.beside else between.calls
    return Figures(
        requests_per_second=load.requests / load.seconds,
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
        cpu_us=between.cpu / requests * 1e6,
    )


def complaints(load: Load, between: Reading, workload: Workload, clients: int, lengths: Iterable[int]) -> list[str]:
    """What is wrong: errors that wrk counted, answers of the wrong length, answers that it never gave."""
    found = [f"{count} {kind} errors in {load.requests} requests" for kind, count in load.errors.items()]
    shortest, longest = min(lengths), max(lengths)
    # At the end one answer a client may be under way.
    if not load.requests * shortest <= load.bytes <= (load.requests + clients) * longest:
        text = f"{load.requests} answers had {load.bytes} bytes"
        found.append(f"{text}, but the length of one is {' or '.join(map(str, sorted({shortest, longest})))}")
    least = load.requests + 1
    if between.calls < least or not (workload.beside or between.calls <= least + clients):
        found.append(f"{between.calls - 1} calls of the application for {load.requests} answers")
    return found


def _check(server: Server, workload: Workload) -> list[int]:
    """Compares every answer with what it must be, and gives their lengths.

    Raises:
        BenchmarkError: no answer, or a wrong one.
    """
    if workload.echo is not None:
        return [check_echo(server.address, workload.echo)]
    return [check(server.address, ask) for ask in workload.asks]


def _load(server: Server, workload: Workload, clients: int, seconds: float) -> Load:
    if workload.echo is not None:
        return echo_load(server.address, workload.echo, clients, seconds)
    wrk = Wrk(server.address, workload.asks, clients)
    try:
        return wrk.run(seconds)
    finally:
        wrk.kill()


def _read(server: Server, workload: Workload) -> Reading:
    if workload.beside is None:
        server.wait_quiet()
    number = calls(server.address)
    return Reading(number, server.cpu_seconds())


@contextmanager
def _beside(server: Server, workload: Workload) -> Iterator[None]:
    """One client that asks for something else all the time."""
    if workload.beside is None:
        yield
        return
    check(server.address, workload.beside)
    wrk = Wrk(server.address, [workload.beside], clients=1)
    try:
        yield
        if not wrk.end().requests:
            raise BenchmarkError("the call beside it was never answered")
    finally:
        wrk.kill()
