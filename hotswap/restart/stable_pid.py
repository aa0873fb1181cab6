"""Where the pid of a server must stay: where a process waits for it, and would end or hang what was started with it.

Each reason is a sentence for the log, and true of generation 1 only: later generations are children of their
predecessors, or adopted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hotswap.restart.program import Origin
from hotswap.system.process_parent import parent_of

#: Programs that run as pid 1 and do not end when one of their children does.
_INITS = ("systemd", "init", "runit", "s6-svscan", "openrc-init")
#: Programs that start another one, and start it again or end themselves when it exits (comm, proc(5): 15 characters).
_SUPERVISORS = (
    "runsv",
    "s6-supervise",
    "supervise",
    "supervisord",
    "circusd",
    "honcho",
    "tini",
    "docker-init",
    "dumb-init",
    "catatonit",
)
#: Programs that start another one and end when it does.
_WRAPPERS = ("sh", "dash", "bash", "ash", "busybox", "ksh", "zsh", "uv", "sudo", "su", "runuser", "timeout")
#: Where a process must not become another program: its user looks at it.
_OBSERVERS = ("pytest", "unittest.__main__", "debugpy", "pydevd")


Question = Callable[[Origin], str]


def wanted(setting: str, origin: Origin, questions: Sequence[Question]) -> str:
    """Return why the pid has to stay, as words behind "for"; "" if it need not, or cannot.

    `setting` is stable_pid: "on", "off" or "auto", which asks the `questions`: SUPERVISED, or WAITED_FOR.
    """
    if setting == "off" or origin.generation > 1 or _is_observed():
        return ""
    if setting == "on":
        return "stable_pid is on"
    return next((why for question in questions if (why := question(origin))), "")


def _is_observed() -> bool:
    return hasattr(sys, "ps1") or bool(sys.flags.interactive) or any(name in sys.modules for name in _OBSERVERS)


def _is_supervised(origin: Origin) -> str:
    parent = origin.parent
    if origin.pid == 1:
        return "this process is pid 1"
    if parent == 0:
        return "a process outside of this pid namespace waits for this one"
    name = _name_of(parent)
    if _waits(parent, name):
        return f"{name} (pid {parent}) waits for this process"
    if not has_terminal() and _is_wrapper_that_is_waited_for(parent):
        # An entrypoint that did not exec: it ends with this process, and what waits for it ends, too.
        return f"{name} (pid {parent}), which has started this process, is waited for"
    return "supervisord waits for this process" if "SUPERVISOR_ENABLED" in origin.environ else ""


def _is_wrapper_that_is_waited_for(pid: int) -> bool:
    """Whether a process that waits stands above `pid`, with nothing but wrappers in between."""
    if not _is_wrapper(pid):
        return False
    while _is_wrapper(pid):
        pid = parent_of(pid)
    return pid == 0 or _waits(pid, _name_of(pid))


def _is_wrapper(pid: int) -> bool:
    # A script has its file's name; what runs it is its first argument (execve(2)).
    return pid != 0 and (_name_of(pid) in _WRAPPERS or os.path.basename(_first_argument(pid)) in _WRAPPERS)


def _waits(pid: int, name: str) -> bool:
    return name in _SUPERVISORS or (pid == 1 and name not in _INITS)


def _is_of_a_unit(origin: Origin) -> str:
    pid, environ = origin.pid, origin.environ
    leader = os.getsid(0)
    main = environ.get("SYSTEMD_EXEC_PID", "")
    if main in (str(pid), str(leader)):
        return "systemd waits for this process, or for one above it"
    # systemd before 248. A tmux or a CI runner inherits the variable, and is no unit.
    if not main and "INVOCATION_ID" in environ and parent_of(leader) == 1:
        return "systemd waits for this process, or for one above it"
    return ""


def _is_at_a_terminal(origin: Origin) -> str:
    pid = origin.pid
    if os.getsid(0) == pid and has_terminal():
        return "this process leads the session of a terminal"
    if os.getpgrp() == pid and _in_foreground():
        return "a shell waits for this process at a terminal"
    return ""


def has_terminal() -> bool:
    """Whether this process has a controlling terminal (tty(4))."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _in_foreground() -> bool:
    try:
        tty = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(tty) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(tty)


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "unknown"


def _first_argument(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0].decode(errors="replace")
    except OSError:
        return ""


SUPERVISED: tuple[Question, ...] = (_is_supervised, _is_of_a_unit)
WAITED_FOR: tuple[Question, ...] = (*SUPERVISED, _is_at_a_terminal)
