"""A shell command in the background: started, waited for and ended, without anything of this process in it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping

from hotswap.system.pidfd import has_ended
from hotswap.system.signals import name_of

SHELL = "/bin/sh"
#: A signal that is ignored stays so behind an exec (execve(2)); these two cannot be.
_DEFAULTS = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}


class BackgroundCommand:
    """One command, from its start to its end. On the main thread. `pidfd` becomes readable when it has ended.

    It is the leader of a session and a process group of its own, so that a Ctrl-C for the server does not reach it, and
    has no signal blocked or ignored. Its standard input is empty; standard output and error are ours, and it has no
    other descriptor of ours, because these are close-on-exec.
    """

    def __init__(self, command: str, environ: Mapping[str, str]) -> None:
        """Start it, by the shell. Raises OSError."""
        # Not subprocess: that puts signals that we ignore to their defaults by code between fork and exec only.
        self.pid = os.posix_spawn(
            SHELL,
            [SHELL, "-c", command],
            environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            setsid=True,
            setsigmask=[],
            setsigdef=_DEFAULTS,
        )
        #: -1 if it has ended, and was reaped by the program, which waits for all children
        self.pidfd = -1
        with contextlib.suppress(ProcessLookupError):
            self.pidfd = os.pidfd_open(self.pid)

    def wait(self, seconds: float) -> bool:
        """Wait at most so long for its end; whether it has ended."""
        return self.pidfd < 0 or has_ended(self.pidfd, seconds)

    def end(self, number: signal.Signals) -> None:
        """Send a signal to it and to all that it has started, unless they are in groups of their own."""
        with contextlib.suppress(OSError):
            # As long as it is not reaped, no other process can have its number.
            signal.pidfd_send_signal(self.pidfd, 0)
            os.killpg(self.pid, number)

    def reap(self) -> str:
        """Called when it has ended: return what was wrong with that, "" for nothing."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
        try:
            _, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # the program has, and nothing can be told
            return ""
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return ""
        return f"exited with status {code}" if code > 0 else f"was killed by {name_of(-code)}"
