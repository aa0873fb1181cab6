"""What happens when hotswap is imported: a successor takes what its predecessor passed, before the program goes on.

The order matters, because everything after `import hotswap` is the user's program:

1. the first environment and the directory are read, before anything more can change them;
2. what goes through a link is imported from where the link leads now, as a deploy may move it at any time;
3. `--graceful` leaves `sys.argv`, so that the program's own parser never sees it;
4. the handoff leaves the environment, and its descriptors become close-on-exec, so that they leak nowhere;
5. listeners move to descriptor 3, 4, …, before the program opens a file that would get these numbers;
6. standard error stays a pipe to the predecessor until this process serves; from here the ready pipe carries a
   traceback there, and a fatal signal leaves the stacks of all threads;
7. handlers that remember stand before the signals are unblocked: a HUP cannot kill a booting successor.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections import deque
from types import FrameType, TracebackType

from hotswap.restart.directory import (
    logical_directory,
    may_have_led_to,
    names,
    paths_in,
    physical_directory,
)
from hotswap.restart.first_environment import first_environ, own_environ
from hotswap.restart.handoff import VARIABLE, Handoff, HandoffError
from hotswap.restart.pinned_imports import pin_imports
from hotswap.restart.predecessor import Predecessor
from hotswap.restart.program import Origin, without_graceful
from hotswap.restart.starter_link import StarterLink
from hotswap.restart.this_process import EXECUTABLE, Bootstrap, this_program
from hotswap.system.descriptors import move_fd
from hotswap.system.fork_guard import no_fork
from hotswap.system.listeners import FIRST_FD
from hotswap.system.signals import REMEMBERED


def _open_standard_descriptors() -> None:
    """A program that was started with `2>&-` must not get a scoreboard or a listener at these numbers: a restart writes
    and closes there, and closing any descriptor of the scoreboard gives up its locks."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


def _take() -> Bootstrap:
    _open_standard_descriptors()
    own = dict(own_environ())
    handoff = Handoff.from_environ(os.environ)
    environ = first_environ(own, handoff.environment_before if handoff else {}, VARIABLE)
    directory, physical = _directory(handoff, environ.get("PWD", ""))
    how = this_program(directory, environ)._replace(takes_flag=handoff.takes_flag if handoff else True)
    # A program that has changed its directory above this import is not where it was started.
    is_there = names(directory, physical) or may_have_led_to(directory, physical)
    pin_imports([(directory, physical)] if is_there else [])
    sys.argv[:] = without_graceful(sys.argv)
    generation = handoff.generation if handoff else 1
    bootstrap = Bootstrap(how, Origin(os.getpid(), os.getppid(), generation, own), physical)
    bootstrap.nohup = handoff.nohup if handoff else signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    if _has_agent():
        # The program loads the application itself, and most import hotswap above it.
        bootstrap.loads_application()
    if handoff is not None:
        _must_be_open(handoff)
        with no_fork():
            bootstrap.take(_settle(handoff))
            bootstrap.link = StarterLink(handoff.starter, handoff.starter_pid, handoff.generation)
            _report_to_predecessor(bootstrap, handoff)
    return bootstrap


def _directory(handoff: Handoff | None, pwd: str) -> tuple[str, str]:
    """Where this process was started, by the path that the user knows, and as the kernel has it."""
    main_file = getattr(sys.modules.get("__main__"), "__file__", None) or ""
    physical = physical_directory(sys.orig_argv, main_file)
    told = handoff.directory if handoff else ""
    return told or logical_directory(pwd, physical, (EXECUTABLE, *paths_in(sys.orig_argv))), physical


def _has_agent() -> bool:
    """Whether code of others has run before the program: a sitecustomize, as agents bring it, or a debugger's thread.

    Some distributions have an empty one in the standard library.
    """
    standard = os.path.dirname(os.__file__)
    customized = (getattr(sys.modules.get(name), "__file__", None) for name in ("sitecustomize", "usercustomize"))
    return "pydevd" in sys.modules or any(file and os.path.dirname(file) != standard for file in customized)


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
        item._replace(fd=move_fd(item.fd, FIRST_FD + index)) for index, item in enumerate(handoff.listeners)
    )
    return handoff._replace(listeners=listeners)


def _report_to_predecessor(bootstrap: Bootstrap, handoff: Handoff) -> None:
    bootstrap.predecessor = Predecessor(handoff.predecessor, handoff.ready, handoff.began)
    # Imported here: only a successor needs them, and every command imports this.
    from hotswap.restart.boot_stderr import BootStderr
    from hotswap.system import crash_dumps

    if handoff.stderr >= 0:
        pipe, earlier = handoff.stderr_pipe, handoff.stderr_pipes
        bootstrap.stderr = BootStderr(handoff.stderr, pipe, bootstrap.predecessor, earlier)
    crash_dumps.write_to(2)
    bootstrap.predecessor.stage("importing")
    bootstrap.predecessor.watch_for_hang(handoff.boot_timeout)
    _report_uncaught(bootstrap.predecessor)
    if threading.current_thread() is threading.main_thread():
        _remember_signals(bootstrap.remembered)


def _report_uncaught(predecessor: Predecessor) -> None:
    """Send the traceback of what ends the boot over the ready pipe; print it if no predecessor reads it there."""
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


def _take_or_explain() -> Bootstrap:
    try:
        return _take()
    except HandoffError as error:
        # The variable is gone by now. serve() raises the error, where the program can catch it.
        bootstrap = _take()
        bootstrap.error = str(error)
        return bootstrap


THIS_PROCESS = _take_or_explain()
