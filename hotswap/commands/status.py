"""`hotswap status`: who is there, what they do, and how the last restart went, as a table or as JSON."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hotswap.commands.find import add_server_arguments, find
from hotswap.commands.outcome import is_orphaned
from hotswap.commands.output import say
from hotswap.errors import NoSuchServer
from hotswap.system.scoreboard import Attempt, Scoreboard, SlotView, list_servers

HEADINGS = ("GENERATION", "PID", "ROLE", "STATE", "UPTIME", "CONNECTIONS", "REQUESTS", "IN FLIGHT")
LINES_OF_FAILURE = 10


def main(arguments: Sequence[str]) -> int:
    """Carry out `hotswap status ARGUMENTS`. Raises NoSuchServer, also where no server runs at all."""
    parser = argparse.ArgumentParser(
        prog="hotswap status",
        description="Show the running servers, or one of them. Exits with 1 if there is none.",
    )
    add_server_arguments(parser)
    parser.add_argument("--json", action="store_true", help="a list of servers, for programs to read")
    asked = parser.parse_args(arguments)
    with contextlib.ExitStack() as stack:
        boards = [find(asked.server, asked.run_dir)] if asked.server else list_servers(asked.run_dir)
        for board in boards:
            stack.callback(board.close)
        facts = [server_facts(board) for board in boards]
    if asked.json:
        say(json.dumps(facts, indent=2))
    elif facts:
        say("\n\n".join(as_text(server) for server in facts))
    if facts:
        return 0
    raise NoSuchServer("no server is running here that you may see")


def server_facts(board: Scoreboard) -> dict[str, Any]:
    """Return everything that is shown of a server, as --json prints it; ages and durations in seconds."""
    processes = sorted(board.slots(), key=lambda view: (-view.generation, view.role, view.index))
    attempts = board.attempts()
    return {
        "name": board.name,
        "path": board.path,
        "processes": [process_facts(view) for view in processes],
        "attempts": [attempt_facts(attempt, processes) for attempt in attempts],
        "last_failure": failure_facts(board, attempts),
    }


def process_facts(view: SlotView) -> dict[str, Any]:
    """Return a process's slot, with times turned into ages."""
    facts = asdict(view)
    del facts["index"], facts["recorded_pid"], facts["aloof"]
    facts["uptime"] = round(max(0.0, time.time() - facts.pop("started")), 3)
    facts["in_state_for"] = round(max(0.0, time.time() - facts.pop("since")), 3)
    return facts


def attempt_facts(attempt: Attempt, views: Sequence[SlotView]) -> dict[str, Any]:
    """Return a restart attempt, with times turned into ages; outcome "" while it runs, "orphaned" if whoever began it
    is gone. `views` must have been read before it."""
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


def failure_facts(board: Scoreboard, attempts: Sequence[Attempt]) -> dict[str, Any] | None:
    """Return the last failed attempt: its text, and how long ago it was where that is still known."""
    number, text = board.last_failure()
    if not number:
        return None
    ended = next((attempt.ended_ns for attempt in attempts if attempt.number == number and attempt.ended_ns), 0)
    return {"attempt": number, "age": age(ended) if ended else None, "text": text}


def age(moment_ns: int) -> float:
    """Return the seconds since a moment of time.monotonic_ns()."""
    return round(max(0, time.monotonic_ns() - moment_ns) / 1e9, 3)


def as_text(server: dict[str, Any]) -> str:
    """Return a server as people read it."""
    lines = [f"{server['name']} ({server['path'] or 'in memory'})", *table(server["processes"])]
    succeeded = [attempt for attempt in server["attempts"] if attempt["outcome"] == "ok"]
    running = [attempt for attempt in server["attempts"] if not attempt["outcome"]]
    if succeeded:
        last = succeeded[-1]
        how = f"to generation {last['generation']}, took {last['took']:.2f} s"
        lines.append(f"last restart: {span(last['age'])} ago, {how}")
    if running:
        lines.append(f"restart under way for {span(running[-1]['age'])}: {running[-1]['stage']}")
    lines += [orphan(attempt) for attempt in server["attempts"][-1:] if attempt["outcome"] == "orphaned"]
    if server["last_failure"]:
        lines += failure(server["last_failure"])
    return "\n".join(lines)


def table(processes: Sequence[dict[str, Any]]) -> list[str]:
    """Return a line for the headings and one for each process, in columns."""
    rows = [HEADINGS, *(row(process) for process in processes)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows]


def row(process: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells of one process."""
    keys = ("generation", "pid", "role", "state", "uptime", "connections", "requests", "in_flight")
    return tuple(span(process[key]) if key == "uptime" else str(process[key]) for key in keys)


def orphan(attempt: dict[str, Any]) -> str:
    """Return what is known of the last restart if whoever began it is gone; the successor may serve for all that."""
    how = f"to generation {attempt['generation']}, at {attempt['stage']!r} when pid {attempt['by']} ended"
    return f"restart without an outcome: begun {span(attempt['age'])} ago, {how}"


def failure(facts: dict[str, Any]) -> list[str]:
    """Return when the last failed restart was, and the end of what it said."""
    when = "earlier" if facts["age"] is None else f"{span(facts['age'])} ago"
    text = facts["text"].rstrip().splitlines()[-LINES_OF_FAILURE:] or ["it gave no reason"]
    return [f"last failed restart: {when}", *(f"    {line}".rstrip() for line in text)]


def span(seconds: float) -> str:
    """Return a duration with its two largest units: 12 s, 3 min 4 s, 2 h 3 min, 5 d 1 h."""
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    whole = int(seconds)
    for place, (unit, size) in enumerate(units):
        if whole >= size and unit != "s":
            smaller, smaller_size = units[place + 1]
            rest = whole % size // smaller_size
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"
