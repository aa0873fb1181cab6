"""Standard error of a successor that boots: a pipe to its predecessor, which writes everything on and keeps its end.

So whatever ends the boot, its last words reach `hotswap restart`: also those of C code, and of a program that was
executed in its place. The real standard error is put back when this process serves; in a forked worker when it has
loaded; in a child that the application forks at once; and here at once when the predecessor ends, for then no process
reads the pipe, and a full one would stop the boot.

A program that the application has executed meanwhile keeps the pipe: what it prints is passed on here, as long as this
process serves.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from hotswap.restart.predecessor import Predecessor
from hotswap.system.fork_guard import no_fork, withhold
from hotswap.system.main_loop import MainLoop
from hotswap.system.parent_death import outlive_parent, signal_at_parents_end
from hotswap.system.write_now import write_now

#: How much a pipe holds (bytes, pipe(7)).
_PIPE_SIZE = 64 * 1024
#: Ignored by default, should the program take our handler away, and a signal that no server acts on.
_PARENT_ENDS = signal.SIGWINCH


class BootStderr:
    """Descriptor 2 is the pipe. `real` and `pipe`, its reading end, are owned from here on. On the main thread."""

    def __init__(self, real: int, pipe: int, predecessor: Predecessor) -> None:
        self._pid = os.getpid()
        self._real = real
        self._pipe = pipe
        self._identity = _identity(2)
        self._predecessor = predecessor
        self._stream: Any = sys.stderr
        self._handler_before: Any = None
        self._watches = False
        withhold(self._leave_to_child)
        if os.isatty(real) and hasattr(self._stream, "__dict__"):
            # Programs ask once, early, whether they may print in colours.
            vars(self._stream)["isatty"] = lambda: True
        self._watch_predecessor()

    def _watch_predecessor(self) -> None:
        if not self._predecessor.lives:
            # The starter, perhaps, is the parent, and another signal is to come at its end (starter_link.py).
            self.put_back()
            return
        if threading.current_thread() is threading.main_thread():
            self._handler_before = signal.signal(_PARENT_ENDS, self._on_parents_end)
            signal_at_parents_end(_PARENT_ENDS)
            self._watches = True
        # It may have ended before the kernel was asked.
        self._on_parents_end()

    def _on_parents_end(self, number: int = 0, frame: FrameType | None = None) -> None:
        """The signal ends a write that waits for room in the pipe (write(2), EINTR); Python then writes again, to
        the real one."""
        if not self._predecessor.lives:
            self.put_back()

    def put_back(self) -> None:
        """Standard error is the real one from here on, unless the program has put another in the pipe's place; what
        the predecessor has not read is written now. Safe to call twice."""
        real, self._real = self._real, -1
        if real < 0:
            return
        # RuntimeError: this is a signal handler, in the middle of the stream's own flush.
        with contextlib.suppress(OSError, ValueError, AttributeError, RuntimeError):
            self._stream.flush()
        if hasattr(self._stream, "__dict__"):
            vars(self._stream).pop("isatty", None)
        with no_fork():
            if _identity(2) == self._identity:
                os.dup2(real, 2)
            os.close(real)
        self._unwatch_predecessor()
        self._pass_on()

    def _unwatch_predecessor(self) -> None:
        if self._watches and os.getpid() == self._pid:  # a worker has asked for another signal
            outlive_parent()
        ours = self._handler_before is not None and signal.getsignal(_PARENT_ENDS) == self._on_parents_end
        if self._watches and ours:
            signal.signal(_PARENT_ENDS, self._handler_before)
        self._watches = False

    def in_worker(self) -> None:
        """In a forked worker: the pipe is the server process's to read."""
        self._close_pipe()

    def watch(self, loop: MainLoop) -> None:
        """This process serves: pass on what others print that have the pipe still, until there are none."""

        def look() -> None:
            if not self._pass_on():
                loop.unwatch(self._pipe)
                self._close_pipe()

        if self._pipe >= 0:
            loop.watch(self._pipe, look)

    def _pass_on(self) -> bool:
        """Write on what lies in the pipe, as far as there is room for it; False if no process writes there any more."""
        if self._pipe < 0:
            return False
        try:
            data = os.read(self._pipe, _PIPE_SIZE)
        except BlockingIOError:
            return True
        with contextlib.suppress(OSError):
            write_now(2, data)
        return bool(data)

    def _close_pipe(self) -> None:
        with no_fork():
            if self._pipe >= 0:
                os.close(self._pipe)
                self._pipe = -1

    def _leave_to_child(self) -> tuple[int, int]:
        """In a child that the application has forked, which may live for long: both descriptors, to be taken away."""
        if self._real >= 0 and _identity(2) == self._identity:
            os.dup2(self._real, 2)
        return self._real, self._pipe


def _identity(fd: int) -> tuple[int, int]:
    try:
        status = os.fstat(fd)
    except OSError:  # the program has closed it
        return -1, -1
    return status.st_dev, status.st_ino
