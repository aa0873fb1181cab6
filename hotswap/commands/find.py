"""Which server a command means: a name, a pid, a pid file, or the only one there is."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Sequence

from hotswap.errors import NoSuchServer
from hotswap.system.scoreboard import Scoreboard, SlotView, list_servers

#: The states in which a process accepts connections (hotswap.lifecycle.states.State).
ACCEPTING = frozenset({"serving", "restarting", "handing-over"})


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every command has that looks for a server."""
    parser.add_argument(
        "server",
        nargs="?",
        metavar="NAME|PIDFILE|PID",
        help="which server; not needed where only one is running",
    )
    parser.add_argument("--run-dir", metavar="DIR", help="the run_dir the server was given, where it was given one")


def find(target: str | None, run_dir: str | None = None) -> Scoreboard:
    """Return the scoreboard of the server that is meant, for reading; close it. Raises NoSuchServer."""
    if target is not None and target.isdigit():
        return Scoreboard.of_pid(int(target))
    servers = list_servers(run_dir)
    with contextlib.ExitStack() as others:
        for board in servers:
            others.callback(board.close)
        matching = [board for board in servers if target is None or board.name == target]
        if not matching and target is not None and os.path.isfile(target):
            return named_by(target)
        chosen = only_one(matching, target, servers)
        others.pop_all()
    for board in servers:
        if board is not chosen:
            board.close()
    return chosen


def named_by(path: str) -> Scoreboard:
    """Return the scoreboard of the process that a pid file names. Raises NoSuchServer with that file's name."""
    pid = read_pid(path)
    try:
        return Scoreboard.of_pid(pid)
    except NoSuchServer as error:
        raise NoSuchServer(f"the pid file {path} is of no server that you may see ({error})") from error


def only_one(matching: Sequence[Scoreboard], target: str | None, servers: Sequence[Scoreboard]) -> Scoreboard:
    """Return the one server among `matching`; NoSuchServer says which there are instead."""
    if len(matching) == 1:
        return matching[0]
    if matching:
        which = ", ".join(f"{board.name} (pid {serving_pid(board)})" for board in matching)
        raise NoSuchServer(f"{len(matching)} servers are running ({which}): name one of them, or its pid")
    if not servers:
        raise NoSuchServer("no server is running here that you may see: start one, or name a pid or a --run-dir")
    names = ", ".join(board.name for board in servers)
    raise NoSuchServer(f"no server is called {target!r}, and there is no such pid file: running are {names}")


def serving_pid(board: Scoreboard) -> int:
    """Return the pid of the process that speaks for a server: the newest that serves, else any."""
    views = serving(board) or board.slots()
    return views[0].pid if views else 0


def serving(board: Scoreboard) -> list[SlotView]:
    """Return the server processes that accept connections, the newest generation first."""
    views = [view for view in board.slots() if view.role == "server" and view.state in ACCEPTING]
    return sorted(views, key=lambda view: view.generation, reverse=True)


def read_pid(path: str) -> int:
    """Return the pid in a pid file. Raises NoSuchServer with the cause."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(64).strip()
    except OSError as error:
        raise NoSuchServer(f"cannot read the pid file {path} ({(error.strerror or str(error)).lower()})") from error
    if not text.isdigit():
        raise NoSuchServer(f"{path} is no pid file ({text[:20]!r} is no pid): name the server, or its pid")
    return int(text)
