"""`hotswap restart --starter`: the starter executes itself anew, with the release of hotswap that serves."""

from __future__ import annotations

import signal
import sys
import time

from hotswap.cli.exit_status import DONE, FAILED, GOES_ON
from hotswap.cli.terminal import say
from hotswap.errors import NoSuchServer
from hotswap.scoreboard import Scoreboard
from hotswap.scoreboard.queries import serving
from hotswap.system.pidfd import signal_process
from hotswap.system.process_parent import parent_of

#: How long an exec may take (seconds).
PATIENCE = 10.0
_LOOK_EVERY = 0.02
_ANCESTORS = 4


def run(board: Scoreboard, timeout: float | None) -> int:
    """Signal the starter of the server, and wait until it has executed itself; return the exit status.

    Raises NoSuchServer if the server has no starter.
    """
    pid = starter_of(board)
    before = _command_line(pid)
    _ask(pid)
    until = time.monotonic() + (PATIENCE if timeout is None else timeout)
    while (now := _command_line(pid)) == before:
        if time.monotonic() > until:
            say(f"hotswap restart: the starter (pid {pid}) was not executed anew: its log says why", sys.stderr)
            return FAILED if timeout is None else GOES_ON
        time.sleep(_LOOK_EVERY)
    if not now:
        say(f"hotswap restart: the starter (pid {pid}) has ended", sys.stderr)
        return FAILED
    say(f"the starter (pid {pid}) was executed anew")
    return DONE


def starter_of(board: Scoreboard) -> int:
    """Return the pid of the starter, which is an ancestor of what serves. Raises NoSuchServer if there is none."""
    for view in serving(board):
        pid = view.pid
        for _ in range(_ANCESTORS):
            pid = parent_of(pid)
            if _is_starter(pid):
                return pid
    raise NoSuchServer(
        f"{board.name} has no starter: its pid changes at a restart, or its first generation is not gone"
    )


def _ask(pid: int) -> None:
    try:
        if not signal_process(pid, signal.SIGURG, _is_starter):
            raise NoSuchServer(f"the starter, pid {pid}, has ended meanwhile: see hotswap status")
    except PermissionError as error:
        raise NoSuchServer(
            f"cannot signal the starter, pid {pid} (permission denied): run this as its user, or as root"
        ) from error


def _is_starter(pid: int) -> bool:
    return any(word.endswith(b"/starter/entry.py") for word in _command_line(pid))


def _command_line(pid: int) -> list[bytes]:
    """The words of a process; none if it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []
