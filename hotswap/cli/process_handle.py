"""A command's handle on a server process: signals it only if it is the process that is meant, and waits for its end."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable

from hotswap.errors import NoSuchServer
from hotswap.scoreboard import Scoreboard, SlotView


class Process:
    """A pidfd (pidfd_open(2)): it never stands for another process that has got the same pid. A context manager."""

    def __init__(self, pid: int) -> None:
        """Open `pid`. If there is no such process, the handle is of a process that has ended."""
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
        """Close the pidfd; safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def send(
        self, number: signal.Signals, board: Scoreboard, meant: Callable[[SlotView], bool] = lambda view: view.serves
    ) -> bool:
        """Send a signal if this process is on `board` and is `meant`; return False if it is not, or not any more.

        Without `meant` it must serve. The pidfd was opened before the board is read: so the board speaks of the process
        behind the pidfd. Raises NoSuchServer if this user may not signal it, or if it is not of the user who owns the
        board: root signals what another user's file names, and that user may have brought a daemon of root's to lock
        the file.
        """
        if self._fd < 0 or not any(view.pid == self.pid and meant(view) for view in board.everyone()):
            return False
        if board.owner and _users_of(self.pid) - {board.owner}:
            raise NoSuchServer(
                f"pid {self.pid} is on a scoreboard of uid {board.owner}, and runs as another user: it gets no signal"
            )
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
        """Wait for `seconds`; the end of the process ends the wait early, but only the first time."""
        poll = select.poll()
        if self._fd >= 0 and not self._told:
            poll.register(self._fd, select.POLLIN)
        self._told = bool(poll.poll(seconds * 1000)) or self._told


def _users_of(pid: int) -> set[int]:
    """The real, effective, saved and filesystem uid of a process (proc_pid_status(5)); none if it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            line = next((line for line in status if line.startswith("Uid:")), "")
    except OSError:
        return set()
    return {int(uid) for uid in line.split()[1:]}
