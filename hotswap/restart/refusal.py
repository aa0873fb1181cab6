"""Whether this process may be replaced. Each refusal is its own sentence, with its remedy."""

from __future__ import annotations

import os
import sys

from hotswap.restart.program import Origin, Program, program_start


def refusal(program: Program, origin: Origin) -> str:
    """Why this process must not be replaced by a successor, as a sentence; "" if it may."""
    return _cannot_start_again(program) or _is_anothers(origin)


def _cannot_start_again(program: Program) -> str:
    if hasattr(sys, "ps1") or sys.flags.interactive:
        return "an interactive interpreter cannot be started again: put the program into a file"
    is_python = os.path.realpath(program.executable) == os.path.realpath(sys.executable)
    if is_python and _reads_standard_input(program.argv):
        return "a program read from standard input cannot be started again: put it into a file"
    return ""


def _reads_standard_input(argv: tuple[str, ...]) -> bool:
    """Whether an interpreter with these arguments takes its program from there: no -c, no -m and no script, or `-`."""
    return argv[program_start(argv) :][:1] in ((), ("-",))


def _is_anothers(origin: Origin) -> str:
    if "SERVER_STARTER_PORT" in origin.environ:
        return (
            "this process was started by hotswap start, or by start_server (Server::Starter): send the SIGHUP to that, "
            "or use hotswap start --restart"
        )
    return ""
