"""A server process as a command holds on to it: signalled only if it is the one, and waited for."""

from __future__ import annotations

import os
import select
import signal

from hotswap.commands.find import ACCEPTING
from hotswap.errors import NoSuchServer
from hotswap.system.scoreboard import Scoreboard, SlotView


class Process:
    """A pidfd (pidfd_open(2)): it stays the same process, whoever gets the pid. A context manager."""

    def __init__(self, pid: int) -> None:
        """Take hold of `pid`; if there is no such process, of nothing: it counts as gone."""
        self.pid = pid
        self._told = False
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._fd = -1

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the process; safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def send(self, number: signal.Signals, board: Scoreboard) -> bool:
        """Send a signal if this process serves on `board`; False if it does not, or not any more.

        The board is asked after the pidfd was opened: what it says then, it says of the process behind that.
        """
        if self._fd < 0 or not any(is_serving(view) and view.pid == self.pid for view in board.slots()):
            return False
        try:
            signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError:
            return False
        except PermissionError as error:
            raise NoSuchServer(
                f"cannot signal pid {self.pid} (permission denied): run this as its user, or as root"
            ) from error
        return True

    def rest(self, seconds: float) -> None:
        """Wait so long; the end of the process ends the wait early, once."""
        poll = select.poll()
        if self._fd >= 0 and not self._told:
            poll.register(self._fd, select.POLLIN)
        self._told = bool(poll.poll(seconds * 1000)) or self._told


def is_serving(view: SlotView) -> bool:
    """Whether a slot is that of a server process that accepts connections."""
    return view.role == "server" and view.state in ACCEPTING
