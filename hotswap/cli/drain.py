"""`hotswap drain`: has a server tell load balancers that it takes no new clients, and serve those that come yet."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Sequence

from hotswap.cli import arguments
from hotswap.cli.exit_status import DONE, FAILED
from hotswap.cli.find_server import find
from hotswap.cli.process_handle import Process
from hotswap.cli.terminal import say
from hotswap.cli.waiting import LOOK_EVERY, add_waiting_arguments
from hotswap.errors import NoSuchServer
from hotswap.scoreboard import Scoreboard, SlotView, queries

#: How long a server that has nothing else to do may take to hear of it (seconds).
PATIENCE = 10.0

DESCRIPTION = (
    "Let a running server say 503 at its health path, so that load balancers send their clients elsewhere. It serves "
    "on, until hotswap stop; hotswap restart ends that: the new generation says 200."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `hotswap drain` takes."""
    add_waiting_arguments(parser, "the server drains all the same")


def main(words: Sequence[str]) -> int:
    """Carry out `hotswap drain WORDS`. Raises NoSuchServer."""
    asked = arguments.parser("drain", DESCRIPTION, add_arguments).parse_args(words)
    with contextlib.closing(find(asked.server, asked.run_dir)) as board:
        return drain(board, asked.timeout)


def drain(board: Scoreboard, timeout: float | None) -> int:
    """Signal the process that serves and wait until it shows that it has heard; return the exit status."""
    until = time.monotonic() + (PATIENCE if timeout is None else timeout)
    view = _serving(board)
    if view.lame_duck:
        say(f"{board.name} drains already: {_told(view)}")
        return DONE
    with Process(view.pid) as process:
        process.send(signal.SIGURG, board)
        while not (view := _serving(board)).lame_duck:
            if time.monotonic() > until:
                say(f"hotswap drain: {view.named} has not heard of it", sys.stderr)
                return FAILED
            process.rest(LOOK_EVERY)
    say(f"{board.name} drains: {_told(view)}")
    return DONE


def _told(view: SlotView) -> str:
    if view.tells_health:
        return f"{view.named} serves on, its health path says 503"
    # With gunicorn's worker classes there is none.
    return (
        f'{view.named} serves on, and has no health path that would say so: set health="/healthz", or have the '
        'application say no (hotswap.on("lame_duck"))'
    )


def _serving(board: Scoreboard) -> SlotView:
    """The process that serves, of the youngest generation. Raises NoSuchServer if none does, or a restart is under way,
    whose new generation would not drain."""
    serving = queries.serving(board)
    if not serving:
        raise NoSuchServer(f"no process of {board.name} serves: it boots, or stops")
    if len(serving) > 1 or serving[0].state != "serving":
        raise NoSuchServer(f"{board.name} is being restarted: ask again when that is through (hotswap status)")
    return serving[0]
