"""What was found, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks.boot_steps import Steps
from benchmarks.machine import LOAD_BEFORE
from benchmarks.memory import WORKERS, Memory
from benchmarks.peer import Peer
from benchmarks.plan import Plan
from benchmarks.ready import ROUNDS, Ready
from benchmarks.results import Measurement, Row, rows
from benchmarks.starter import StarterFigures
from benchmarks.tables import number, table
from benchmarks.target_tables import targets
from benchmarks.targets import CpuTarget, Verdict, best_verdicts, cpu_verdicts, unjudged
from benchmarks.workloads import ASGI, WSGI, Workload

_WSGI = """\
# Benchmark

`make bench` wrote this page. It runs every server in turn, several rounds, and takes the median of each figure; all
figures are from one run on one machine and compare with each other only.

- **CPU** is microseconds of CPU time per request, user and system, of all the server's processes: what a request costs,
  and the figure that other load on the machine spoils least.
- **requests/s**, **p50** and **p99** (milliseconds) are from `wrk`, with one thread, on the same machine; each client
  asks again as soon as it was answered. wrk corrects percentiles for what a client could not ask while it waited, so
  with one client and calls of very different length they say little.
- The application's calls are counted, answers are compared byte by byte before and after, and their length meanwhile.
  A row with errors says so and is no mark to reach.
- "hello beside a 200 ms call": one more client asks for that call all the time. Its CPU time is in the figure, so that
  the fewer requests get through beside it, the more of it falls on each.

The servers for ASGI applications are [below](#asgi).
"""

_ASGI = """\
## ASGI

The same for servers that call an application by ASGI, in a run of its own. Targets are for hotswap on uvloop, as its
peers are. Websockets are asked by a program of this benchmark, because wrk has none: each sends its next message when
the one before has come back, every message is compared, and a message counts as a request.
"""

_INTRODUCTION = {WSGI: _WSGI, ASGI: _ASGI}

_MEMORY = f"""\
## Memory of {WORKERS} workers

MiB after a second of the Flask page with 64 clients. PSS counts a page that several processes have in common once;
private is what one alone has, which is what one more of them costs.
"""

_READY = f"""\
## Time to ready

Milliseconds, medians of {ROUNDS} rounds: an interpreter that imports what the application does, and ends; and a restart
of hotswap with that application, from the start of the successor until it has taken over.
`python -m benchmarks.ready OTHER` measures the hotswap in the folder OTHER beside this one.
"""

_STEPS = """\
What a restart spends its time on, in milliseconds, with Python's timer of imports on, which costs a few:
"""

_STARTER = """\
## The starter

Where [the pid stays](restart.md#where-the-pid-stays), medians of a few rounds. The start of the starter is a part of
the first start only: at a restart it is there.
"""

#: A load average below this is a machine with nothing else to do.
_QUIET = 0.7


@dataclass(frozen=True)
class Report:
    """A run and what it found."""

    plan: Plan
    machine: dict[str, str]
    measurements: Sequence[Measurement]
    memory: Sequence[Memory] = ()
    ready: Sequence[Ready] = ()
    steps: Sequence[Steps] = ()
    starter: StarterFigures | None = None

    @property
    def rows(self) -> list[Row]:
        """The medians."""
        return rows(self.measurements)

    @property
    def ours_complain(self) -> bool:
        """Whether anything was wrong with an answer of hotswap."""
        ours = {peer.name for peer in self.plan.peers if peer.ours}
        return any(one.peer in ours and one.complaints for one in self.measurements)

    @property
    def cpu_verdicts(self) -> list[Verdict]:
        """The targets for CPU time that could be judged by what was measured."""
        return cpu_verdicts(self.rows)

    @property
    def best_verdicts(self) -> list[Verdict]:
        """With WSGI: hotswap beside the best peer of each workload."""
        return best_verdicts(self.rows, self.plan.peers) if self.plan.interface == WSGI else []

    @property
    def unjudged(self) -> list[CpuTarget]:
        """The targets of which a whole run found nothing out; a part of one is not asked."""
        return unjudged(self.rows, self.plan.interface) if self.plan.whole else []

    def as_json(self) -> str:
        """Everything, with the single rounds."""
        content = {
            "machine": self.machine,
            "rounds": self.plan.rounds,
            "seconds": self.plan.times.measured,
            "peers": {
                peer.name: {"version": peer.version, "command": peer.command, "pair": peer.pair}
                for peer in self.plan.peers
            },
            "medians": [asdict(row) for row in self.rows],
            "targets": [
                {**asdict(verdict), "ratio": verdict.ratio, "reached": verdict.reached}
                for verdict in [*self.cpu_verdicts, *self.best_verdicts]
            ],
            "not judged": [asdict(one) for one in self.unjudged],
            "not installed": [peer.name for peer in self.plan.absent],
            "memory": [asdict(one) for one in self.memory],
            "ready": [asdict(one) for one in self.ready],
            "steps": [asdict(one) for one in self.steps],
            "starter": self.starter and self.starter._asdict(),
            "measurements": [asdict(one) for one in self.measurements],
        }
        return json.dumps(_rounded(content), indent=1) + "\n"

    def as_markdown(self) -> str:
        """What a reader wants to know, the targets first."""
        parts = [self._doubts(), targets(self.cpu_verdicts, self.best_verdicts, self.unjudged), "## Figures"]
        parts += [*map(self._figures, self.plan.workloads), self._memory(), self._ready(), self._starter()]
        parts += [self._errors(), self._setting()]
        body = "\n\n".join(part.strip() for part in parts if part)
        text = _deeper(body) if self.plan.interface == ASGI else body
        return f"{_INTRODUCTION[self.plan.interface]}\n{text}\n"

    def _doubts(self) -> str:
        busy = float(self.machine[LOAD_BEFORE])
        if busy < _QUIET:
            return ""
        return f"**Something else ran on this machine** (load average {busy:g} before the start): believe none of this."

    def _figures(self, workload: Workload) -> str:
        found = [row for row in self.rows if row.workload == workload.name]
        head = ["clients", "server", "CPU", "requests/s", "p50", "p99"]
        return f"### {workload.title}\n\n{table(head, [_cells(row) for row in found], left=2)}"

    def _memory(self) -> str:
        if not self.memory:
            return ""
        head = ["server", "processes", "all, PSS", "a worker, RSS", "PSS", "private"]
        cells = [
            [one.server, str(one.processes), *map(_mib, (one.pss, one.worker_rss, one.worker_pss, one.worker_private))]
            for one in self.memory
        ]
        return _MEMORY + "\n" + table(head, cells, left=1)

    def _ready(self) -> str:
        if not self.ready:
            return ""
        head = ["application", "imports alone", "restart", "over", "ratio"]
        cells = [
            [one.app, *(f"{1000 * value:.0f}" for value in (one.imports, one.restart, one.over)), number(one.ratio)]
            for one in self.ready
        ]
        return _READY + "\n" + table(head, cells, left=1) + "\n\n" + self._steps()

    def _steps(self) -> str:
        if not self.steps:
            return ""
        cells = [
            [title, *(f"{1000 * getattr(one, name):.0f}" for one in self.steps)]
            for name, title in {
                "interpreter": "an interpreter",
                "application": "the application's imports",
                "hotswap": "hotswap's modules",
                "gunicorn": "gunicorn's modules",
                "others": "what else these two import",
                "rest": "settings, listeners, scoreboard, engine, take-over",
                "total": "all of it",
            }.items()
        ]
        return _STEPS + "\n" + table(["step", *(one.app for one in self.steps)], cells, left=1)

    def _starter(self) -> str:
        if self.starter is None:
            return ""
        found = self.starter
        rows = [
            ["resident memory, KiB", f"{found.starter_kib:.0f}", f"{found.bare_kib:.0f} (a bare interpreter)"],
            ["start until the server is started, ms", f"{1000 * found.starter_starts:.0f}", ""],
            [
                "start until the server serves, ms",
                *(f"{1000 * s:.0f}" for s in (found.ready_with, found.ready_without)),
            ],
        ]
        return _STARTER + "\n" + table(["", "with the starter", "without"], rows, left=1)

    def _errors(self) -> str:
        found = [
            f"- {row.workload}, {row.clients} clients, {row.peer}: {' '.join(complaint.split())}"
            for row in self.rows
            for complaint in row.complaints
        ]
        return "\n".join(["## Errors", "", *found]) if found else ""

    def _setting(self) -> str:
        facts = [[name, value] for name, value in self.machine.items()]
        facts.append(["rounds", f"{self.plan.rounds} of {self.plan.times.measured:g} s each"])
        servers = [[peer.name, peer.version, _commands(peer), peer.why] for peer in self.plan.peers]
        head = ["server", "version", "command", "why so"]
        parts = ["## Where and how", table(["", ""], facts, left=2), table(head, servers, left=4), *self._notes()]
        return "\n\n".join(parts)

    def _notes(self) -> list[str]:
        """What a figure alone does not say of a server."""
        alone = [peer.name for peer in self.plan.peers if not peer.side_by_side]
        notes = [f"{peer.name} is not measured: {_absence(peer)}." for peer in self.plan.absent]
        if alone:
            text = "With one thread, and so with one call at a time, so that a call that waits holds all the others up"
            notes.append(f"{text}: {', '.join(alone)}. Their requests/s are no mark to reach.")
        return notes


def _absence(peer: Peer) -> str:
    return f"{peer.distribution} is not installed, which wants {peer.needs}"


def _deeper(markdown: str) -> str:
    """Every heading one deeper, for a section of a page."""
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in markdown.splitlines())


def _commands(peer: Peer) -> str:
    return "; ".join(f"`{command}`" for command in (peer.command, peer.pair) if command)


def _cells(row: Row) -> list[str]:
    one, mark = row.figures, " (errors)" if row.complaints else ""
    figures = (
        ["-"] * 4
        if one is None
        else [number(one.cpu_us), number(one.requests_per_second), number(one.p50_ms), number(one.p99_ms)]
    )
    return [str(row.clients), row.peer + mark, *figures]


def _mib(value: float) -> str:
    return f"{value / 2**20:.1f}"


def _rounded(value: object) -> object:
    """Floats to four digits that count: more would only be noise in a file under version control."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
