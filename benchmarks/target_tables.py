"""The targets as tables, each with what was measured and what became of it."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.reasons import reasons
from benchmarks.tables import number, table
from benchmarks.targets import CpuTarget, Verdict


def targets(cpu: Sequence[Verdict], best: Sequence[Verdict], unjudged: Sequence[CpuTarget]) -> str:
    """How many were reached, and the tables; what could not be judged is named, and is not reached."""
    reached = sum(one.reached for one in [*cpu, *best])
    parts = [f"## Targets: {reached} of {len(cpu) + len(best) + len(unjudged)} reached"]
    if cpu:
        parts += ["CPU per request, hotswap's as a share of a peer's:", _cpu_table(cpu)]
    if unjudged:
        named = ", ".join(f"{one.workload} beside {one.peer} (at most {one.at_most:g})" for one in unjudged)
        parts.append(f"Not judged, because one of the two has no figures or the peer had errors: {named}.")
    if best:
        text = "Requests/s of the best maintained peer whose calls run side by side, and that peer's p99:"
        parts += [text, _best_table(best)]
    if why := reasons([*cpu, *best]):
        parts += ["What decides the figures of those that were missed:", "\n".join(why)]
    return "\n\n".join(parts)


def _cpu_table(verdicts: Sequence[Verdict]) -> str:
    head = ["workload", "clients", "peer", "hotswap", "peer's", "ratio", "at most", "verdict"]
    cells = [
        [
            *(one.workload, str(one.clients), one.peer, _shown(one.ours), number(one.theirs)),
            *(_shown(one.ratio), f"{one.limit:g}", one.text),
        ]
        for one in verdicts
    ]
    return table(head, cells, left=3)


def _best_table(verdicts: Sequence[Verdict]) -> str:
    head = ["workload", "clients", "peer", "figure", "hotswap", "peer's", "ratio", "verdict"]
    cells = [
        [
            *(one.workload, str(one.clients), one.peer, one.figure),
            *(_shown(one.ours), number(one.theirs), _shown(one.ratio), one.text),
        ]
        for one in verdicts
    ]
    return table(head, cells, left=4)


def _shown(value: float | None) -> str:
    return "-" if value is None else number(value)
