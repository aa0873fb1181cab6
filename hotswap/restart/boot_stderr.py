"""Standard error of a successor that boots: a pipe to its predecessor, which writes everything on and keeps its end.

So whatever ends the boot, its last words reach `hotswap restart`: also those of C code, and of a program that was
executed in its place. The real standard error is put back when this process serves; in a forked worker when it has
loaded; in a child that the application forks at once; and here at once when the predecessor ends, for then no process
reads the pipe, and a full one would stop the boot.

What the process itself has opened meanwhile by the name of standard error, such as a log at /dev/stderr, leads to the
real one from then on: the main thread, which reads the pipe, must not write there.

A program that the application has executed meanwhile keeps the pipe: what it prints is passed on here, and by the next
generations, which are given the reading end until no process writes there.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import signal
import sys
import threading
from collections.abc import Iterable
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
    """Descriptor 2 is the pipe. `real`, `pipe`, its reading end, and `earlier`, the reading ends that the predecessor
    had of earlier boots, are owned from here on. On the main thread."""

    def __init__(self, real: int, pipe: int, predecessor: Predecessor, earlier: Iterable[int] = ()) -> None:
        self._pid = os.getpid()
        self._real = real
        self._pipes = [fd for fd in (pipe, *earlier) if fd >= 0]
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
            self._replace_pipe(real)
            os.close(real)
        self._unwatch_predecessor()
        for pipe in self._pipes[:1]:
            self._pass_on(pipe)

    def _replace_pipe(self, real: int) -> None:
        """Have every descriptor of this process that writes to the pipe lead to `real`. Descriptor 2 first: what other
        threads open by its name is right from then on.

        A descriptor that another thread closes and opens anew between the look and the dup2(2) would be lost to it.
        """
        for fd in (2, *_open_descriptors()):
            with contextlib.suppress(OSError):  # it is closed by now
                if fd != real and _identity(fd) == self._identity and _writes(fd):
                    os.dup2(real, fd, inheritable=os.get_inheritable(fd))

    def _unwatch_predecessor(self) -> None:
        if self._watches and os.getpid() == self._pid:  # a worker has asked for another signal
            outlive_parent()
        ours = self._handler_before is not None and signal.getsignal(_PARENT_ENDS) == self._on_parents_end
        if self._watches and ours:
            signal.signal(_PARENT_ENDS, self._handler_before)
        self._watches = False

    def in_worker(self) -> None:
        """In a forked worker: the pipes are the server process's to read."""
        for pipe in list(self._pipes):
            self._close(pipe)

    def reading_ends(self) -> tuple[int, ...]:
        """The pipes to which other programs write still, as far as is known: for the next generation too."""
        return tuple(self._pipes)

    def watch(self, loop: MainLoop) -> None:
        """This process serves: pass on what others print that have a pipe still, until there are none.

        A predecessor or successor that serves as well may do the same: each line is read by one of them.
        """

        def look(pipe: int) -> None:
            if not self._pass_on(pipe):
                loop.unwatch(pipe)
                self._close(pipe)

        for pipe in self._pipes:
            loop.watch(pipe, functools.partial(look, pipe))

    def _pass_on(self, pipe: int) -> bool:
        """Write on what lies in the pipe, as far as there is room for it; False if no process writes there any more."""
        try:
            data = os.read(pipe, _PIPE_SIZE)
        except BlockingIOError:
            return True
        with contextlib.suppress(OSError):
            write_now(2, data)
        return bool(data)

    def _close(self, pipe: int) -> None:
        with no_fork():
            self._pipes.remove(pipe)
            os.close(pipe)

    def _leave_to_child(self) -> tuple[int, ...]:
        """In a child that the application has forked, which may live for long: our descriptors, to be taken away."""
        if self._real >= 0:
            self._replace_pipe(self._real)
        return self._real, *self._pipes


def _identity(fd: int) -> tuple[int, int]:
    try:
        status = os.fstat(fd)
    except OSError:  # the program has closed it
        return -1, -1
    return status.st_dev, status.st_ino


def _open_descriptors() -> list[int]:
    """Those of this process, ascending; none where /proc is not mounted."""
    try:
        return sorted(int(name) for name in os.listdir("/proc/self/fd"))
    except OSError:
        return []


def _writes(fd: int) -> bool:
    """Whether the descriptor is open for writing; the pipe's reading end has the same identity."""
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
