"""Starts a program as a child, with the descriptors that it is to have."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from hotswap.system.signals import HANDLED, blocked


class ChildProgram(NamedTuple):
    """A program as a child begins it. `argv` has the program's name first; `executable` is looked for in the PATH of
    `environ` if it has no slash. `fds` are open in it, beside the standard streams.

    `blocked` and `ignored` are signals that it begins with so; every other has its default.
    """

    executable: str
    argv: Sequence[str]
    directory: str
    environ: Mapping[str, str]
    fds: Sequence[int]
    blocked: Collection[signal.Signals] = ()
    ignored: Collection[signal.Signals] = ()


def execute(program: ChildProgram) -> int:
    """Return the pid of a child that executes the program. Raises OSError with the name of what is missing.

    Only for a process with one thread: it forks.
    """
    problem, report = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    with blocked(HANDLED):
        pid = os.fork()
        if pid == 0:
            _execute(program, report, parent)
    os.close(report)
    with open(problem) as file:
        said = file.read()
    if said:
        os.waitpid(pid, 0)
        number, _, name = said.partition(" ")
        raise OSError(int(number), os.strerror(int(number)), name)
    return pid


def _execute(program: ChildProgram, report: int, parent: int) -> None:
    """In the child; does not return."""
    # In the child only: the starter has no use for it, and ctypes takes half a MiB.
    from hotswap.system.parent_death import end_with_parent

    name = program.directory
    try:
        signal.set_wakeup_fd(-1)
        for number in HANDLED:
            signal.signal(number, signal.SIG_IGN if number in program.ignored else signal.SIG_DFL)
        for fd in program.fds:
            os.set_inheritable(fd, True)
        os.chdir(program.directory)
        name = program.executable
        environ = _for_this_process(program.environ, parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, set(HANDLED) - set(program.blocked))
        # SIGTERM: a server must not stay behind when the starter is killed. One of hotswap looks after itself later.
        end_with_parent(signal.SIGTERM, parent)
        os.execvpe(program.executable, list(program.argv), environ)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.write(report, f"{error.errno} {name}".encode(errors="replace"))
    finally:
        os._exit(127)


def _for_this_process(environ: Mapping[str, str], parent: int) -> Mapping[str, str]:
    """systemd passed its sockets to the parent itself (sd_listen_fds(3)); the program is to have them."""
    if environ.get("LISTEN_PID") == str(parent):
        return {**environ, "LISTEN_PID": str(os.getpid())}
    return environ
