"""`hotswap status`: shows a server's processes, what they do, and how the last restart went, as a table or as JSON."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Sequence

from hotswap.cli import arguments
from hotswap.cli.arguments import seconds_between
from hotswap.cli.exit_status import DONE
from hotswap.cli.find_server import add_server_arguments, find_all, none_found
from hotswap.cli.server_facts import Facts, server_facts
from hotswap.cli.status_text import as_text
from hotswap.cli.terminal import say
from hotswap.cli.watching import watch
from hotswap.errors import NoSuchServer

DESCRIPTION = "Show the running servers, or those that are meant. Exits with 1 if there is none."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `hotswap status` takes."""
    add_server_arguments(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--names", action="store_true", help="their names only, one a line")
    how.add_argument("--json", action="store_true", help="a list of servers, for programs to read")
    parser.add_argument("--watch", action="store_true", help="show it again and again, until Ctrl-C")
    parser.add_argument(
        "--every", type=seconds_between(0.1, 3600), default=1.0, metavar="S", help="with --watch, how often (default 1)"
    )


def main(words: Sequence[str]) -> int:
    """Carry out `hotswap status WORDS`. Raises NoSuchServer, also where no server runs at all."""
    asked = arguments.parser("status", DESCRIPTION, add_arguments).parse_args(words)
    if asked.watch:
        return watch(lambda: _seen(asked), asked.every)
    servers = _servers(asked)
    if asked.json:
        say(json.dumps(servers, indent=2))
    elif servers:
        say(_names(servers) if asked.names else _as_text(servers))
    if servers:
        return DONE
    raise none_found(asked.run_dir)


def _servers(asked: argparse.Namespace) -> list[Facts]:
    """What is known of the servers that are meant. Raises NoSuchServer if one is named that is not there."""
    with contextlib.ExitStack() as stack:
        boards = find_all(asked.server, asked.run_dir)
        for board in boards:
            stack.callback(board.close)
        return [server_facts(board) for board in boards]


def _as_text(servers: Sequence[Facts]) -> str:
    now = time.time()
    return "\n\n".join(as_text(server, now) for server in servers)


def _names(servers: Sequence[Facts]) -> str:
    return "\n".join(sorted({server["name"] for server in servers}))


def _seen(asked: argparse.Namespace) -> str:
    """What one look shows: with --json a line. A server that is gone may come again, and is waited for."""
    try:
        servers = _servers(asked)
    except NoSuchServer as error:
        return "[]" if asked.json else str(error)
    if asked.json:
        return json.dumps(servers)
    return (_names(servers) if asked.names else _as_text(servers)) or str(none_found(asked.run_dir))
