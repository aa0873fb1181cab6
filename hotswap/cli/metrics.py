"""`hotswap metrics`: writes a server's figures in Prometheus' text format, for a scraper of files or of commands."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence

from hotswap.cli import arguments
from hotswap.cli.exit_status import DONE
from hotswap.cli.find_server import add_server_arguments, find
from hotswap.monitoring.families import families_of
from hotswap.monitoring.text_format import render

DESCRIPTION = (
    "Write the figures of a running server in Prometheus' text format. The same over HTTP: mount the application "
    "hotswap.metrics."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `hotswap metrics` takes."""
    add_server_arguments(parser)


def main(words: Sequence[str]) -> int:
    """Carry out `hotswap metrics WORDS`. Raises NoSuchServer."""
    asked = arguments.parser("metrics", DESCRIPTION, add_arguments).parse_args(words)
    with contextlib.closing(find(asked.server, asked.run_dir)) as board:
        sys.stdout.write(render(families_of(board)))
    sys.stdout.flush()
    return DONE
