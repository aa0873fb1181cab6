"""`hotswap run module:app`: our server with gunicorn's command line, behind a starter where the pid has to stay."""

from __future__ import annotations

import argparse
import os
import shlex
import socket
from collections.abc import Sequence

from hotswap.cli.serve_command import HOTSWAP_RUN, ServeCommand
from hotswap.errors import BootError
from hotswap.restart import stable_pid
from hotswap.restart.bootstrap import THIS_PROCESS

#: With these no server is started, or not by this process.
_OTHER_ERRANDS = ("-h", "--help", "-v", "--version", "--check-config", "--print-config", "-D", "--daemon")


def main(arguments: Sequence[str], command: ServeCommand = HOTSWAP_RUN) -> int:
    """Carry out `hotswap run ARGUMENTS`, or that `command`, until the server has stopped or retired.

    Raises HotswapError.

    The starter is executed before gunicorn or the application is imported: it starts this command again as its child,
    and never gives back what a process has once taken for imports.
    """
    why = "" if THIS_PROCESS.link.exists else _why_pid_stays(arguments)
    if why:
        _become_starter(why, _setting(arguments, "log-format", "text", "text"))
    from hotswap.cli import run_application

    return run_application.main(arguments, command)


def _why_pid_stays(arguments: Sequence[str]) -> str:
    """Why a starter is needed from the beginning; "" if none is, or if `serve()` does without one until a restart."""
    if any(word in _OTHER_ERRANDS for word in arguments):
        return ""
    return stable_pid.wanted(
        _setting(arguments, "stable-pid", "auto", "off"), THIS_PROCESS.origin, stable_pid.SUPERVISED
    )


def _setting(arguments: Sequence[str], name: str, default: str, wrong: str) -> str:
    """What the command line, or GUNICORN_CMD_ARGS, says of this setting. The conf file is not read: that would cost the
    starter the import of gunicorn. `wrong` stands for a command line that cannot be read; whatever is no word of the
    setting is refused when the settings are read."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument(f"--{name}", default=default, dest="found")
    try:
        words = [*shlex.split(os.environ.get("GUNICORN_CMD_ARGS", "")), *arguments]
        return str(parser.parse_known_args(words)[0].found)
    except (ValueError, argparse.ArgumentError):
        return wrong


def _become_starter(why: str, log_format: str) -> None:
    # Imported here: a command line that needs no starter should not wait for it.
    from hotswap.starter.becoming import become_starter
    from hotswap.starter.starter_state import StarterState

    program = THIS_PROCESS.program
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    state = StarterState(
        executable=program.executable,
        argv=program.argv,
        directory=program.directory,
        environ=THIS_PROCESS.origin.environ,
        link=(ours.detach(), theirs.detach()),
        why=why,
        nohup=THIS_PROCESS.nohup,
        log_format=log_format,
    )
    try:
        become_starter(lambda: state, program.argv)
    except OSError as error:
        sentence = f"cannot start the starter ({error.strerror}): set stable_pid to off to do without it"
        raise BootError(sentence) from error
