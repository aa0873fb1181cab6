"""Finds the server that a command line means: by name, pid or pid file, or the only one that runs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from hotswap.errors import NoSuchServer
from hotswap.scoreboard import Scoreboard, list_servers, run_search
from hotswap.scoreboard.deployment import of_serving
from hotswap.scoreboard.find import TITLE
from hotswap.scoreboard.queries import serving


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that every command has that looks for a server."""
    parser.add_argument(
        "server",
        nargs="?",
        metavar="NAME|PIDFILE|PID",
        help="which server; not needed where only one is running",
    )
    parser.add_argument("--run-dir", metavar="DIR", help="the run_dir the server was given, where it was given one")


def find(target: str | None, run_dir: str | None = None) -> Scoreboard:
    """Return the scoreboard of the one server that `target` means, for reading; the caller closes it.

    Raises NoSuchServer, also where several are meant: then it says which there are.
    """
    boards = find_all(target, run_dir)
    try:
        chosen = only_one(boards, target, run_dir)
    except NoSuchServer:
        for board in boards:
            board.close()
        raise
    for board in boards:
        if board is not chosen:
            board.close()
    return chosen


def find_all(target: str | None, run_dir: str | None = None) -> list[Scoreboard]:
    """Return the scoreboards of all servers that `target` means, for reading; the caller closes them.

    Without a target that is every server that runs, and perhaps none. Raises NoSuchServer if a target means none.
    """
    if target is not None and target.isdigit():
        return [Scoreboard.of_pid(int(target))]
    servers = list_servers(run_dir)
    if target is None:
        return servers
    matching = [board for board in servers if board.name == target]
    names = ", ".join(sorted({board.name for board in servers}))
    for board in servers:
        if board not in matching:
            board.close()
    if matching:
        return matching
    if os.path.isfile(target):
        return [named_by(target)]
    if not names:
        raise none_found(run_dir)
    raise NoSuchServer(f"no server is called {target!r}, and there is no such pid file: running are {names}")


def named_by(path: str) -> Scoreboard:
    """Return the scoreboard of the process that a pid file names. Raises NoSuchServer, which names the file."""
    pid = read_pid(path)
    try:
        return Scoreboard.of_pid(pid)
    except NoSuchServer as error:
        raise NoSuchServer(f"the pid file {path} is of no server that you may see ({error})") from error


def only_one(matching: Sequence[Scoreboard], target: str | None, run_dir: str | None) -> Scoreboard:
    """Return the one server in `matching`. Raises NoSuchServer, which says which servers there are instead."""
    if not matching:
        raise none_found(run_dir)
    # A server that was stopped may linger when the next one of that name serves already.
    matching = [board for board in matching if board.slots()] or matching
    if len(matching) == 1:
        return matching[0]
    which = "; ".join(map(described, matching))
    how = "name the pid of one of them" if target is not None else "name one of them, or its pid"
    raise NoSuchServer(f"{len(matching)} servers are running ({which}): {how}")


def described(board: Scoreboard) -> str:
    """Return what tells a server from others of its name: "shop (pid 77) at http://127.0.0.1:4242"."""
    views = serving(board)
    deployed = of_serving(board.deployment, views[0].generation if views else None)
    where = f" at {', '.join(deployed.addresses)}" if deployed is not None and deployed.addresses else ""
    return f"{board.name} (pid {serving_pid(board)}){where}"


def none_found(run_dir: str | None) -> NoSuchServer:
    """Return what to raise where no server was found: it says where the command has looked."""
    looked = ", ".join(run_search.places(run_dir))
    if run_dir is not None:
        return NoSuchServer(f"no server is running here that you may see (looked in {looked})")
    return NoSuchServer(
        f"no server is running here that you may see (looked in {looked}, and at the processes whose title begins with "
        f"{TITLE.strip()!r}): start one, or name a pid or a --run-dir"
    )


def serving_pid(board: Scoreboard) -> int:
    """Return a server's pid: the youngest generation's that serves, else any of its processes'; 0 if it has none."""
    views = serving(board) or board.everyone()
    return views[0].pid if views else 0


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
