"""How generations have ended, and the status that the starter itself ends with: the server's."""

from __future__ import annotations

import contextlib
import os
import signal

from hotswap.system.signals import name_of


class ExitStatuses:
    """Statuses as `os.waitstatus_to_exitcode` gives them: -N for signal N.

    A generation whose predecessor is still there is that one's child, and only the predecessor can read how it has
    ended: it tells the starter when it leaves itself. Should it leave without having read it, the kernel makes the
    starter the parent.
    """

    def __init__(self) -> None:
        #: of generations that may be children of this process by now, or become so; None is not known yet
        self._codes: dict[int, int | None] = {}
        #: those of them that have ended with the server, and whose status is the server's
        self._owed: set[int] = set()
        #: what the server has ended with, as a shell shows it
        self.result = 0

    def expect(self, pid: int) -> None:
        """There is a generation with this pid."""
        self._codes.setdefault(pid, None)

    def reap(self) -> None:
        """Read the status of every child that has ended, strangers' too: as pid 1, or as a subreaper, all orphans come
        here (prctl(2), PR_SET_CHILD_SUBREAPER)."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self.learn(ended[0], os.waitstatus_to_exitcode(ended[1]))

    def learn(self, pid: int, code: int) -> None:
        """A process has ended, which may be a stranger. Its parent says so, who may be this process."""
        if pid in self._owed:
            self._owed.discard(pid)
            self._stopped_with(code)
        elif pid in self._codes:
            self._codes[pid] = code

    def take(self, pid: int) -> int | None:
        """The status of a generation that has ended, once; None if another process is its parent."""
        return self._codes.pop(pid, None)

    def count(self, pid: int, code: int | None) -> None:
        """This generation was the server when it was told to stop, so its status is the server's, also one that becomes
        known later only."""
        if code is None:
            self._owed.add(pid)
        else:
            self._stopped_with(code)

    def _stopped_with(self, code: int) -> None:
        # A SIGTERM more than one, as systemd sends it to all processes of a unit, may come when the program has its
        # default again: it was to stop, and has.
        self.give(0 if code == -signal.SIGTERM else code)

    def give(self, code: int) -> None:
        """The server has ended with this; of several, the first that is no 0 counts."""
        self.result = self.result or (code if code >= 0 else 128 - code)


def describe(code: int | None) -> str:
    """What a log line says behind the name of a process."""
    if code is None:
        return "has ended"
    return f"was killed by {name_of(-code)}" if code < 0 else f"has exited with status {code}"
