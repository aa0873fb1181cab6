"""What a predecessor has passed, kept for the next `serve()` should this one fail: a program may try address after
address until one can be bound.

A `serve()` that fails closes what it had, so copies of the descriptors are kept until this generation serves. Not of
the scoreboard: closing any descriptor of it gives up the process's slot (`scoreboard/locks.py`), so it is copied only
when the slot is about to go anyway.
"""

from __future__ import annotations

import fcntl
import os

from hotswap.restart.handoff import Handoff
from hotswap.system.descriptors import move_fd
from hotswap.system.fork_guard import no_fork, withhold
from hotswap.system.listeners import FIRST_FD

#: Copies have numbers from here on: the next listeners are to get 3, 4, …
_FIRST_COPY = 32


class SecondChance:
    """Copies of a handoff's descriptors. On the main thread. Forked children get none of them, but for our workers,
    which call `close`."""

    def __init__(self, handoff: Handoff) -> None:
        """Copy them. Raises OSError, and holds nothing then, where the process has no descriptor left for a copy."""
        self._handoff = handoff
        #: the number in the handoff to that of the copy
        self._copies: dict[int, int] = {}
        withhold(self._copies.values)
        fds = [item.fd for item in handoff.listeners]
        try:
            for fd in (*fds, handoff.exchange_send, handoff.exchange_receive):
                self._copy(fd)
        except OSError:
            self.close()
            raise

    def _copy(self, fd: int) -> None:
        if fd >= 0:
            with no_fork():
                self._copies[fd] = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_COPY)

    def keep_board(self, fd: int) -> None:
        """Copy the scoreboard too, which is about to be closed: this `serve()` has failed. Raises OSError."""
        self._handoff = self._handoff._replace(scoreboard=fd)
        self._copy(fd)

    def take(self) -> Handoff:
        """Return a handoff of the copies, which are the caller's now; listeners at 3, 4, … where these are free.

        Call it in the `no_fork()` in which their new owner keeps them from forked children.
        """
        copies, handoff = dict(self._copies), self._handoff
        self._copies.clear()
        listeners = tuple(
            item._replace(fd=move_fd(copies[item.fd], FIRST_FD + index)) for index, item in enumerate(handoff.listeners)
        )
        return handoff._replace(
            listeners=listeners,
            exchange_send=copies.get(handoff.exchange_send, -1),
            exchange_receive=copies.get(handoff.exchange_receive, -1),
            scoreboard=copies.get(handoff.scoreboard, -1),
        )

    def close(self) -> None:
        """This generation serves, or does not want to any more. Safe to call twice."""
        with no_fork():
            while self._copies:
                os.close(self._copies.popitem()[1])
