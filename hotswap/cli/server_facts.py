"""What is known of a server, as `hotswap status --json` prints it: docs/commands.md has each field, a test compares."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from hotswap.cli.restart_outcome import is_orphaned
from hotswap.scoreboard import Attempt, Deployment, Scoreboard, SlotView
from hotswap.scoreboard.deployment import of_serving

Facts = dict[str, Any]

#: What a generation has is the sum over its processes.
SUMS = ("connections", "in_flight", "handed_over", "adopted")
#: What it has done is known of processes too that have ended: from the tally of that name (`scoreboard.tally`).
DONE = {"requests": "requests", "errors": "server_errors"}
#: What is copied from a slot as it stands there.
COPIED = (
    "pid",
    "generation",
    "role",
    "state",
    "connections",
    "requests",
    "in_flight",
    "handed_over",
    "adopted",
    "accepted",
    "steals",
    "given_away",
    "beats",
    "passed_on",
    "errors",
    "attempt",
    "held_by",
    "lame_duck",
)


def server_facts(board: Scoreboard) -> Facts:
    """Return all that the commands show of a server; ages and durations in seconds, moments as Unix times."""
    # In this order: see attempt_facts().
    views = sorted(board.everyone(), key=lambda view: (-view.generation, view.role, view.index))
    attempts = board.attempts()
    serves = serving_facts(views)
    return {
        "name": board.name,
        "path": board.path,
        "started": round(board.created, 3),
        **serves,
        **deployment_facts(of_serving(board.deployment, serves["generation"])),
        **done_facts(views, board.totals()),
        "generations": generation_facts(views, board.done_by),
        "processes": [process_facts(view) for view in views],
        "attempts": [attempt_facts(attempt, views) for attempt in attempts],
        "last_failure": failure_facts(*board.last_failure(), attempts),
    }


def serving_facts(views: Iterable[SlotView]) -> Facts:
    """Return which process serves: the youngest generation's, if several do."""
    serving = max((view for view in views if view.serves), key=lambda view: view.generation, default=None)
    if serving is None:
        return {"generation": None, "pid": None}
    return {"generation": serving.generation, "pid": serving.pid}


def deployment_facts(deployment: Deployment | None) -> Facts:
    """Return what was deployed last; None and an empty list where an older release of hotswap serves."""
    if deployment is None:
        return dict.fromkeys(("version", "directory", "release", "serving_since")) | {"addresses": []}
    return {
        "version": deployment.version,
        "directory": deployment.directory,
        "release": deployment.release,
        "serving_since": round(deployment.since, 3),
        "addresses": list(deployment.addresses),
    }


def generation_facts(views: Iterable[SlotView], done_by: Callable[[int, int], Mapping[str, int]]) -> list[Facts]:
    """Return the generations that have processes, the youngest first, each with the sums of what those have, and with
    what it has done.

    A generation's pid and state are its server process's, or a worker's if that is gone. `views`: the youngest
    generation first, and in each the server process first. `done_by`: `Scoreboard.done_by`.
    """
    facts = []
    for number, group in groupby(views, key=lambda view: view.generation):
        processes = list(group)
        first = processes[0]
        facts.append(
            {
                "generation": number,
                "pid": first.pid,
                "state": first.state,
                "workers": sum(view.role == "worker" for view in processes),
                **{name: _sum(processes, name) for name in SUMS},
                **done_facts(processes, done_by(number, first.attempt)),
            }
        )
    return facts


def done_facts(views: Sequence[SlotView], tallied: Mapping[str, int]) -> Facts:
    """Return what was done in sum, by these processes and others that have ended."""
    # The board of an older release has no tallies.
    return {name: max(tallied[tally], _sum(views, name)) for name, tally in DONE.items()}


def _sum(views: Iterable[SlotView], name: str) -> int:
    return sum(getattr(view, name) for view in views)


def process_facts(view: SlotView) -> Facts:
    """Return a process's slot, with times turned into ages."""
    return {
        **{name: getattr(view, name) for name in COPIED},
        "uptime": round(max(0.0, time.time() - view.started), 3),
        "in_state_for": round(max(0.0, time.time() - view.since), 3),
    }


def attempt_facts(attempt: Attempt, views: Sequence[SlotView]) -> Facts:
    """Return a restart attempt, with times turned into ages.

    Its outcome is "" while it runs, and "orphaned" if the process that began it is gone without having entered one. The
    caller must read `views` before it reads `attempt`.
    """
    return {
        "number": attempt.number,
        "generation": attempt.generation,
        "pid": attempt.pid,
        "stage": attempt.stage,
        "by": attempt.by,
        "outcome": "orphaned" if is_orphaned(attempt, views) else attempt.outcome,
        "took": round(attempt.took, 3),
        "age": age(attempt.ended_ns or attempt.began_ns),
    }


def failure_facts(number: int, text: str, attempts: Iterable[Attempt]) -> Facts | None:
    """Return the last failed attempt: its text, and how long ago it ended, or None if it has left the ring.

    None where no attempt has failed, or a later one has succeeded: then it is of no concern any more.
    """
    if not number or any(each.number > number and each.outcome == "ok" for each in attempts):
        return None
    ended = next((each.ended_ns for each in attempts if each.number == number and each.ended_ns), 0)
    return {"attempt": number, "age": age(ended) if ended else None, "text": text}


def age(moment_ns: int) -> float:
    """Return the seconds since a moment of time.monotonic_ns()."""
    return round(max(0, time.monotonic_ns() - moment_ns) / 1e9, 3)
