"""What to measure, from the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks import ROOT
from benchmarks.measure import Times
from benchmarks.peers import PEERS, Peer
from benchmarks.workloads import CLIENTS, WORKLOADS, Workload

_ROUNDS = 3
_TIMES = Times(warm_up=0.3, measured=1.5)
_QUICK = Times(warm_up=0.2, measured=0.5)

Named = TypeVar("Named", Peer, Workload)
Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Plan:
    """A run of the benchmark."""

    workloads: tuple[Workload, ...]
    clients: tuple[int, ...]
    peers: tuple[Peer, ...]
    rounds: int
    times: Times
    results: Path
    """Where the figures go as JSON."""
    report: Path
    """Where they go as Markdown."""
    whole: bool
    """Whether it is all there is to measure."""


def plan(arguments: Sequence[str]) -> Plan:
    """The run that a command line asks for. Exits with a message if it is not understood, as argparse does."""
    given = _parser().parse_args(arguments)
    times = _QUICK if given.quick else _TIMES
    whole = not (given.quick or given.only or given.peers or given.clients or given.rounds or given.seconds)
    results, report = _whole_files() if whole else _part_files(given.folder)
    return Plan(
        workloads=given.only or WORKLOADS,
        clients=given.clients or CLIENTS,
        peers=given.peers or tuple(peer for peer in PEERS if peer.usual),
        rounds=given.rounds or (1 if given.quick else _ROUNDS),
        times=Times(times.warm_up, given.seconds or times.measured),
        results=results,
        report=report,
        whole=whole,
    )


def _whole_files() -> tuple[Path, Path]:
    return ROOT / "benchmarks" / "results.json", ROOT / "docs" / "benchmarks.md"


def _part_files(folder: Path) -> tuple[Path, Path]:
    # A part of the benchmark must not stand where one looks for the whole.
    return folder / "results.json", folder / "benchmarks.md"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures hotswap and its peers. Without options: everything, about 20 minutes, which also"
        " rewrites benchmarks/results.json and docs/benchmarks.md.",
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="one short round: to see that it works, not for its figures")
    add("--only", type=_names(WORKLOADS), metavar="NAME,...", help=f"workloads: {_listed(WORKLOADS)}")
    add("--peers", type=_names(PEERS), metavar="NAME,...", help=f"servers: {_listed(PEERS)}")
    add("--clients", type=_numbers, metavar="N,...", help="how many at a time (1,64)")
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
