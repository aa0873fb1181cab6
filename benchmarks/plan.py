"""What to measure, from the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks import ROOT
from benchmarks.measure import Times
from benchmarks.peer import Peer
from benchmarks.peers import PEERS
from benchmarks.workloads import ASGI, WORKLOADS, WSGI, Workload

_ROUNDS = 3
_TIMES = Times(warm_up=0.3, measured=0.9)
_QUICK = Times(warm_up=0.2, measured=0.5)

_RESULTS = {WSGI: "results.json", ASGI: "results_asgi.json"}

Named = TypeVar("Named", Peer, Workload)
Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Plan:
    """A run of one half of the benchmark: of the servers that call an application by one interface."""

    interface: str
    workloads: tuple[Workload, ...]
    clients: tuple[int, ...] | None
    """How many at a time; None: as many as each workload has."""
    peers: tuple[Peer, ...]
    absent: tuple[Peer, ...]
    """Usual ones that are not measured, because there is no wheel for this Python."""
    rounds: int
    times: Times
    results: Path
    """Where the figures go as JSON."""
    report: Path
    """Where they go as Markdown; both halves have one page."""
    whole: bool
    """Whether it is all there is to measure in this half."""

    def clients_of(self, workload: Workload) -> tuple[int, ...]:
        """How many clients at a time ask for that."""
        return self.clients or workload.clients


def plans(arguments: Sequence[str]) -> tuple[Plan, ...]:
    """What a command line asks for, WSGI first. Exits with a message if it is not understood, as argparse does."""
    parser = _parser()
    given = parser.parse_args(arguments)
    both = (_plan(given, interface) for interface in given.interfaces)
    found = tuple(one for one in both if any(peer.serves(workload) for peer in one.peers for workload in one.workloads))
    if not found:
        parser.error("none of these servers has any of these workloads")
    return found


def _plan(given: argparse.Namespace, interface: str) -> Plan:
    times = _QUICK if given.quick else _TIMES
    whole = not (given.quick or given.only or given.peers or given.clients or given.rounds or given.seconds)
    folder = ROOT / "benchmarks" if whole else given.folder
    peers = given.peers or tuple(peer for peer in PEERS if peer.usual)
    peers = tuple(peer for peer in peers if peer.interface == interface)
    absent = () if given.peers else tuple(peer for peer in peers if peer.needs and not peer.installed)
    return Plan(
        interface=interface,
        workloads=tuple(one for one in given.only or WORKLOADS if one.interface == interface),
        clients=given.clients,
        peers=tuple(peer for peer in peers if peer not in absent),
        absent=absent,
        rounds=given.rounds or (1 if given.quick else _ROUNDS),
        times=Times(times.warm_up, given.seconds or times.measured),
        results=folder / _RESULTS[interface],
        # A part of the benchmark must not stand where one looks for the whole.
        report=ROOT / "docs" / "benchmarks.md" if whole else folder / "benchmarks.md",
        whole=whole,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures hotswap and its peers. Without options: everything, less than 30 minutes, which also"
        " rewrites docs/benchmarks.md and, in benchmarks/, results.json and results_asgi.json; with --wsgi or --asgi"
        " alone that half of them.",
    )
    add = parser.add_argument
    halves = parser.add_mutually_exclusive_group()
    for interface in (WSGI, ASGI):
        text = f"only what has to do with {interface.upper()}"
        halves.add_argument(f"--{interface}", action="store_const", dest="interfaces", const=(interface,), help=text)
    parser.set_defaults(interfaces=(WSGI, ASGI))
    add("--quick", action="store_true", help="one short round: to see that it works, not for its figures")
    add("--only", type=_names(WORKLOADS), metavar="NAME,...", help=f"workloads: {_listed(WORKLOADS)}")
    add("--peers", type=_names(PEERS), metavar="NAME,...", help=f"servers: {_listed(PEERS)}")
    add("--clients", type=_numbers, metavar="N,...", help="how many at a time (1,64; for some workloads 64 only)")
    add("--rounds", type=_positive(int), metavar="N", help=f"how often ({_ROUNDS})")
    add("--seconds", type=_positive(float), metavar="S", help=f"how long each ({_TIMES.measured:g})")
    add("--folder", type=Path, default=ROOT / "build" / "benchmarks", help="where a part's results go")
    return parser


def _listed(known: Sequence[Peer] | Sequence[Workload]) -> str:
    return ", ".join(one.name for one in known)


def _names(known: Sequence[Named]) -> Callable[[str], tuple[Named, ...]]:
    by_name = {one.name: one for one in known}

    def names(text: str) -> tuple[Named, ...]:
        unknown = [name for name in text.split(",") if name not in by_name]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(by_name)}")
        return tuple(by_name[name] for name in text.split(","))

    return names


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(_positive(int), text.split(",")))


def _positive(kind: type[Number]) -> Callable[[str], Number]:
    def positive(text: str) -> Number:
        number = kind(text)
        if number <= 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return number

    return positive
