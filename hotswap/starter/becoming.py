"""How a process becomes the starter: by exec, so that its pid stays, and so do the descriptors that it keeps."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from hotswap.starter.start_options import StartOptions
from hotswap.starter.starter_state import StarterState
from hotswap.system.signals import HANDLED

_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "entry.py")


def adopt_orphans() -> None:
    """Have the kernel make this process the parent of every descendant whose own parent ends (prctl(2)).

    The setting survives the exec, and so the generations whose predecessors have gone become the starter's children.
    """
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def become_starter(
    prepare: Callable[[], StarterState], words: Sequence[str], python: str = sys.executable, program: str = PROGRAM
) -> NoReturn:
    """Execute the starter in this process, by default that of this release. `words` is the server's command line, for
    people. Raises OSError.

    `prepare()` is called when signals are blocked: one that it does not find any more waits in the kernel for the
    starter. Every descriptor of its state goes with it, whatever its flag was. On the main thread.
    """

    def file() -> tuple[str, int, list[int]]:
        state = prepare()
        return f"generations:{state.runs}", state.to_fd(), state.descriptors()

    _execute(python, program, file, words)


def become_command_starter(options: StartOptions, words: Sequence[str]) -> NoReturn:
    """The same for the starter of any command."""
    _execute(sys.executable, PROGRAM, lambda: ("command", options.to_fd(), options.descriptors()), words)


#: Not SIGURG, which by default is ignored: the starter of a release that has another use for it would leave it blocked,
#: and could not be executed anew any more.
_WAIT = {*HANDLED, signal.SIGCHLD} - {signal.SIGURG}


def _execute(
    python: str, program: str, prepare: Callable[[], tuple[str, int, list[int]]], words: Sequence[str]
) -> NoReturn:
    adopt_orphans()
    # Before signals are blocked: a pipe that no process reads holds this up.
    for stream in (sys.stdout, sys.stderr):
        # The program may have closed it, or put anything in its place; a terminal may be gone.
        with contextlib.suppress(Exception):
            stream.flush()
    kept: list[int] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WAIT)
    try:
        kind, fd, fds = prepare()
        kept = [fd, *fds]
        for each in kept:
            os.set_inheritable(each, True)
        # -I and -S: what runs here is the standard library and this package, whatever the environment is for.
        os.execve(python, [python, "-I", "-S", program, kind, str(fd), *words], os.environ)
    except OSError:
        # This process goes on.
        for each in kept:
            os.set_inheritable(each, False)
        if kept:
            os.close(kept[0])
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
