"""`hotswap reopen`: has a server open its log files anew, as logrotate wants it when it has renamed them."""

from __future__ import annotations

import argparse
import contextlib
import signal
from collections.abc import Sequence

from hotswap.cli import arguments
from hotswap.cli.exit_status import DONE
from hotswap.cli.find_server import add_server_arguments, find
from hotswap.cli.process_handle import Process
from hotswap.cli.terminal import say
from hotswap.errors import NoSuchServer
from hotswap.scoreboard import Scoreboard, SlotView

DESCRIPTION = (
    "Have a running server open its log files anew, after they were renamed: every generation that writes there is "
    "told. It does not wait for that: the log itself says that it was reopened."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `hotswap reopen` takes."""
    add_server_arguments(parser)


def main(words: Sequence[str]) -> int:
    """Carry out `hotswap reopen WORDS`. Raises NoSuchServer."""
    asked = arguments.parser("reopen", DESCRIPTION, add_arguments).parse_args(words)
    with contextlib.closing(find(asked.server, asked.run_dir)) as board:
        told = [view for view in board.slots() if tell(view, board)]
        if not told:
            raise NoSuchServer(f"no process serves as {board.name} that has log files open: see hotswap status")
    say("told to reopen log files: " + ", ".join(view.named for view in told))
    return DONE


def tell(view: SlotView, board: Scoreboard) -> bool:
    """Signal a process that writes logs, and handles the signal; return whether it was told."""
    if not writes_logs(view):
        return False
    with Process(view.pid) as process:
        return process.send(signal.SIGUSR1, board, writes_logs)


def writes_logs(view: SlotView) -> bool:
    """Whether SIGUSR1 is for this process.

    One that boots opens the files anyway, and one that drains may have given its handlers back by now: both would be
    ended by the signal. A server process tells its workers.
    """
    return view.serves or (view.role == "server" and view.is_replaced)
