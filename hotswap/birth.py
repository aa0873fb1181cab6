"""What happens when hotswap is imported: a successor takes what its predecessor passed, before the program goes on.

The order matters, because everything after `import hotswap` is the user's program:

1. the first environment and the directory are read, before anything more can change them;
2. `--graceful` leaves `sys.argv`, so that the program's own parser never sees it;
3. the handoff leaves the environment, and its descriptors become close-on-exec, so that they leak nowhere;
4. listeners move to descriptor 3, 4, …, before the program opens a file that would get these numbers;
5. standard error is put back; from here the ready pipe carries a traceback to the predecessor;
6. handlers that remember stand before the signals are unblocked: a HUP cannot kill a booting successor.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import FrameType, TracebackType

from hotswap.lifecycle.handoff import VARIABLE, Handoff, HandoffError
from hotswap.system.descriptors import move_fd
from hotswap.system.forks import withhold
from hotswap.system.predecessor import Predecessor
from hotswap.system.program import (
    Origin,
    Program,
    describe,
    directory_of_start,
    first_environ,
    logical_directory,
    own_environ,
    without_graceful,
)
from hotswap.system.signals import REMEMBERED

#: Where the first listener stands; systemd has chosen the number.
FIRST_LISTENER = 3


@dataclass
class Birth:
    """What this process was born with. `handoff` and `predecessor` are None in generation 1."""

    program: Program
    origin: Origin
    handoff: Handoff | None = None
    predecessor: Predecessor | None = None
    error: str = ""
    remembered: deque[int] = field(default_factory=deque)
    _withheld: Callable[[], None] | None = None

    @property
    def generation(self) -> int:
        return self.origin.generation

    def claim(self) -> Handoff | None:
        """Hand the handoff out, once: a second `serve()` in the same process starts without it."""
        handoff, self.handoff = self.handoff, None
        if self._withheld is not None:
            self._withheld()
            self._withheld = None
        return handoff

    def take(self, handoff: Handoff) -> None:
        """Keep the handoff until it is claimed; whom the program forks before then gets no listener."""
        self.handoff = handoff
        self._withheld = withhold(lambda: [item.fd for item in handoff.listeners])


def _open_standard_descriptors() -> None:
    """Whoever starts us with `2>&-` must not get a scoreboard or a listener at these numbers: a restart writes and
    closes there, and closing any descriptor of the scoreboard gives up its locks."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


def _take() -> Birth:
    _open_standard_descriptors()
    own = dict(own_environ())
    handoff = Handoff.from_environ(os.environ)
    environ = first_environ(own, handoff.environment_before if handoff else {}, VARIABLE)
    main_file = getattr(sys.modules.get("__main__"), "__file__", None) or ""
    directory = logical_directory(environ, directory_of_start(sys.orig_argv, main_file))
    how = describe(sys.orig_argv, sys.executable, directory, environ)
    sys.argv[:] = without_graceful(sys.argv)
    generation = handoff.generation if handoff else 1
    birth = Birth(how, Origin(os.getpid(), os.getppid(), generation, own))
    if handoff is not None:
        _must_be_open(handoff)
        birth.take(_settle(handoff))
        _begin_succession(birth, handoff)
    return birth


def _must_be_open(handoff: Handoff) -> None:
    """Raise HandoffError for a handoff that was copied from another process: its numbers mean nothing here."""
    for fd in handoff.descriptors():
        try:
            os.fstat(fd)
        except (OSError, OverflowError):
            raise HandoffError(
                f"cannot read the handoff in {VARIABLE} (descriptor {fd} is not open): "
                "unset it to start without a predecessor"
            ) from None


def _settle(handoff: Handoff) -> Handoff:
    """Make every passed descriptor close-on-exec and move the listeners to 3, 4, … where these numbers are free."""
    for fd in handoff.descriptors():
        with contextlib.suppress(OSError):
            os.set_inheritable(fd, False)
    listeners = tuple(
        replace(item, fd=move_fd(item.fd, FIRST_LISTENER + index)) for index, item in enumerate(handoff.listeners)
    )
    return replace(handoff, listeners=listeners)


def _begin_succession(birth: Birth, handoff: Handoff) -> None:
    birth.predecessor = Predecessor(handoff.predecessor, handoff.ready)
    _restore_stderr(handoff.stderr, handoff.stderr_pipe, birth.predecessor)
    birth.predecessor.stage("importing")
    birth.predecessor.watch_for_hang(handoff.boot_timeout)
    _report_uncaught(birth.predecessor)
    if threading.current_thread() is threading.main_thread():
        _remember_signals(birth.remembered)


def _restore_stderr(real: int, pipe: int, predecessor: Predecessor) -> None:
    """Put the real standard error back in place of the pipe that the predecessor reads.

    We hold the reading end too, so that what was printed before this import met no broken pipe if the predecessor
    died meanwhile; in that case it is printed now.
    """
    if real < 0:
        return
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    os.dup2(real, 2)
    os.close(real)
    if pipe >= 0:
        if not predecessor.lives:
            with contextlib.suppress(OSError):
                os.write(2, os.read(pipe, 65536))
        os.close(pipe)


def _report_uncaught(predecessor: Predecessor) -> None:
    """Send the traceback of whatever ends the boot over the ready pipe; print it if nobody hears it there."""
    before = sys.excepthook

    def report(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
        # What the predecessor logs need not stand in the same log twice.
        if os.getpid() != pid or not predecessor.failed_with(kind, value, trace):
            before(kind, value, trace)

    pid = os.getpid()
    sys.excepthook = report
    predecessor.excepthook = (report, before)


def _remember_signals(remembered: deque[int]) -> None:
    def remember(number: int, frame: FrameType | None) -> None:
        remembered.append(number)

    for number in REMEMBERED:
        signal.signal(number, remember)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, REMEMBERED)


def _take_or_explain() -> Birth:
    try:
        return _take()
    except HandoffError as error:
        # The variable is gone by now. Raised by serve(), where somebody reads it, and not from `import hotswap`.
        birth = _take()
        birth.error = str(error)
        return birth


HERE = _take_or_explain()
