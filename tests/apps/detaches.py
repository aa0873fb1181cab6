"""Becomes a daemon again and again, and one of the processes is killed before its first, second, third line; until it
gets through. One line for each: how the command ended, and whether there is a daemon that serves.

Arguments: which process is killed, "command", "leader" or "daemon"; the signal's number.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from types import FrameType
from typing import Any

from hotswap.system.detaching import detach
from tests.processes import adopt_orphans

FOLDER = "/hotswap/system/"


class Kill:
    """A trace function (sys.settrace) that kills one of the processes before its `line`th line in hotswap/system."""

    def __init__(self, role: str, number: int, line: int) -> None:
        self._role = role
        self._number = number
        self._left = line
        self._command, self._session = os.getpid(), os.getsid(0)

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Kill | None:
        if FOLDER not in frame.f_code.co_filename:
            return None
        if event == "line" and self._is_meant():
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), self._number)
        return self

    def _is_meant(self) -> bool:
        if os.getpid() == self._command:
            return self._role == "command"
        return self._role == ("leader" if os.getsid(0) in (os.getpid(), self._session) else "daemon")


def command(role: str, number: int, line: int, served: int) -> None:
    """The process that a shell would have started; it and its daemon end in here, the daemon when the command has."""
    itself = os.pidfd_open(os.getpid())
    sys.settrace(Kill(role, number, line))
    try:
        daemon = detach(keep_streams=False)
    except KeyboardInterrupt:
        os._exit(130)
    # From here a server has a handler: it is told to stop when it serves.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    is_wanted = daemon.ready()
    sys.settrace(None)
    select.select([itself], [], [])
    if is_wanted and signal.SIGTERM not in signal.sigpending():
        os.write(served, b"served")
    os._exit(0)


def outcome(role: str, number: int, line: int) -> tuple[int, bool]:
    """The status of the command, and whether the daemon got so far that it served; when all processes have ended."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        command(role, number, line, write)
    os.close(write)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    # Its end, when no process has it any more.
    served = os.read(read, 16)
    os.close(read)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return status, bool(served)


if __name__ == "__main__":
    adopt_orphans()
    for at in range(1, 1000):
        ended = outcome(sys.argv[1], int(sys.argv[2]), at)
        print(*ended, flush=True)
        if ended == (0, True) and at > 80:
            break
