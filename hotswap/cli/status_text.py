"""Turns the facts of a server into text for people. Pure: what is shown is what `--json` prints, at that moment."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from hotswap.cli.server_facts import DONE, SUMS, Facts

HEADINGS = ("GENERATION", "PID", "ROLE", "STATE", "UPTIME", "CONNECTIONS", "REQUESTS", "ERRORS", "IN FLIGHT")
#: Of a failure's text: the first lines say how the process ended, the last ones what a traceback comes to.
FIRST_LINES, LAST_LINES = 3, 8
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def as_text(server: Facts, now: float) -> str:
    """Return a server's facts as text; `now` is the Unix time at which they were read."""
    lines = [headline(server, now), *deployed(server, now), *table(server)]
    lines += [lingerer(process) for process in server["processes"] if process["held_by"]]
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


def headline(server: Facts, now: float) -> str:
    """Return which generation serves, where, and since when."""
    if server["generation"] is None:
        return f"{server['name']}: no generation serves"
    line = f"{server['name']}: generation {server['generation']} serves"
    if server["addresses"]:
        line += f" at {', '.join(server['addresses'])}"
    if server["serving_since"] is not None:
        line += f" since {moment(server['serving_since'])} ({span(now - server['serving_since'])})"
    return line


def deployed(server: Facts, now: float) -> Iterator[str]:
    """Yield lines that say what was deployed, as far as that is known, and for how long the server is there."""
    directory, release = server["directory"], server["release"]
    if directory is not None and release and release != directory:
        yield f"  release    {release} ({directory})"
    elif directory is not None:
        yield f"  directory  {directory}"
    version = f"{server['version']}, " if server["version"] else ""
    yield f"  hotswap    {version}server started {span(now - server['started'])} ago"
    yield f"  requests   {server['requests']}, and {server['errors']} of them errors (5xx), in all generations"
    yield f"  board      {server['path'] or 'no file'}"


def table(server: Facts) -> list[str]:
    """Return a line for the headings and one for each process, in columns.

    A server process stands for its generation, as with workers it answers nothing itself: its line has the sums.
    """
    rows = [HEADINGS, *(row(process | _sums(process, server["generations"])) for process in server["processes"])]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows]


def _sums(process: Facts, generations: Sequence[Facts]) -> Facts:
    """The sums of the generation that a server process stands for; nothing for a worker."""
    if process["role"] != "server":
        return {}
    names = (*SUMS, *DONE)
    return next(({name: each[name] for name in names} for each in generations if each["pid"] == process["pid"]), {})


def row(process: Facts) -> tuple[str, ...]:
    """Return the cells of one process."""
    keys = ("generation", "pid", "role", "state", "uptime", "connections", "requests", "errors", "in_flight")
    shown = process | {"uptime": span(process["uptime"])}
    if process["lame_duck"] and process["state"] == "serving":
        shown["state"] = "lame duck"
    return tuple(str(shown[key]) for key in keys)


def lingerer(process: Facts) -> str:
    """Return a line for a process that serves no more and cannot end."""
    return f"generation {process['generation']} (pid {process['pid']}) is held by {process['held_by']}"


def orphan(attempt: Facts) -> str:
    """Return a line for a restart without an outcome, because the process that began it is gone. The successor may
    serve all the same."""
    how = f"to generation {attempt['generation']}, at {attempt['stage']!r} when pid {attempt['by']} ended"
    return f"restart without an outcome: begun {span(attempt['age'])} ago, {how}"


def failure(facts: Facts) -> Sequence[str]:
    """Return lines that say when the last restart failed, and the beginning and the end of its text."""
    when = "earlier" if facts["age"] is None else f"{span(facts['age'])} ago"
    text = facts["text"].rstrip().splitlines() or ["it gave no reason"]
    if len(text) > FIRST_LINES + LAST_LINES:
        text = [*text[:FIRST_LINES], "…", *text[-LAST_LINES:]]
    return [f"last failed restart: {when}", *(f"    {line}".rstrip() for line in text)]


def moment(since: float) -> str:
    """Return a Unix time as a local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since))


def span(seconds: float) -> str:
    """Return a duration with its two largest units: 12 s, 3 min 4 s, 2 h 3 min, 5 d 1 h."""
    whole = max(0, int(seconds))
    for place, (unit, size) in enumerate(_UNITS):
        if whole >= size and unit != "s":
            smaller, smaller_size = _UNITS[place + 1]
            rest = whole % size // smaller_size
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"
