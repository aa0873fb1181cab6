"""What the commands have in common that signal a server and wait for what comes of it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hotswap.commands.find import add_server_arguments

LOOK_EVERY = 0.02  # seconds; a reader of shared memory can only look again

DONE, FAILED, INTERRUPTED = 0, 1, 130  #: exit statuses


def asked(command: str, description: str, arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line of `hotswap COMMAND` asks for: `server`, `run_dir` and `timeout`."""
    parser = argparse.ArgumentParser(prog=f"hotswap {command}", description=description)
    add_server_arguments(parser)
    parser.add_argument("--timeout", type=float, metavar="S", help=f"wait at most S seconds; the {command} goes on")
    return parser.parse_args(arguments)
