"""What the commands have in common that ask a server for something, and wait until it is done: restart, rollback, stop,
drain."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator

from hotswap.cli.arguments import seconds_between
from hotswap.cli.find_server import add_server_arguments
from hotswap.errors import NoSuchServer
from hotswap.scoreboard import Scoreboard

LOOK_EVERY = 0.02  # seconds; a reader of shared memory can only look again


def add_waiting_arguments(parser: argparse.ArgumentParser, what_goes_on: str) -> None:
    """Add the arguments that name the server, and say how long to wait for it."""
    add_server_arguments(parser)
    parser.add_argument(
        "--timeout",
        type=seconds_between(0, float("inf")),
        metavar="S",
        help=f"wait at most S seconds; {what_goes_on}",
    )


@contextlib.contextmanager
def asking_on(board: Scoreboard) -> Iterator[None]:
    """Around what writes a wish on the scoreboard. Raises NoSuchServer if this user may not write there."""
    try:
        yield
    except OSError as error:
        raise NoSuchServer(
            f"cannot write to the scoreboard of {board.name} ({error.strerror}): run this as its user"
        ) from error
