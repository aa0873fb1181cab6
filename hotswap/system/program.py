"""What this process is as a program: how to start it again, from where, with what environment, and whether one may.

Read once, early: at import `sys.orig_argv`, the environment and the directory are still what the operator gave;
later `load_dotenv`, `os.chdir` and a moved `current` symlink have changed them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GRACEFUL = "--graceful"
#: Belongs to one process or one hand-over, so a successor must not inherit it.
_NOT_PASSED = (
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "LISTEN_PIDFDID",
    "SERVER_STARTER_PORT",
    "SERVER_STARTER_GENERATION",
)
#: Programs that run as pid 1 and do not end when one of their children does.
_INITS = ("systemd", "init", "runit", "s6-svscan", "openrc-init")


@dataclass(frozen=True)
class Program:
    """How to start this program again.

    `executable` is an absolute path, `argv` its arguments with `argv[0]`, without --graceful; `directory` is the
    directory as the user knows it (`$PWD`, symlinks unresolved); `environ` that of generation 1.
    """

    executable: str
    argv: tuple[str, ...]
    directory: str
    environ: Mapping[str, str]

    def command(self) -> list[str]:
        """The successor's argument list: --graceful is its last word, exactly once."""
        return [*self.argv, GRACEFUL]


@dataclass(frozen=True)
class Origin:
    """Where this process came from: facts that are true at import and may not be true later.

    `environ` is everything this process was started with, also what is not passed on.
    """

    pid: int
    parent: int
    generation: int
    environ: Mapping[str, str]


def without_graceful(arguments: list[str]) -> list[str]:
    """`arguments` less the --graceful that a predecessor appended: the last word, and only that one."""
    return arguments[:-1] if arguments[1:] and arguments[-1] == GRACEFUL else arguments


def first_environ(own: Mapping[str, str], before: Mapping[str, str | None], variable: str) -> dict[str, str]:
    """The environment of generation 1, out of `own`, the one this process was started with.

    `before` undoes what `env_file` and `envdir` changed; `variable` (the handoff) and what belongs to one start are
    left out.
    """
    environ = dict(own)
    for name, value in before.items():
        environ.pop(name, None)
        if value is not None:
            environ[name] = value
    for name in (*_NOT_PASSED, variable):
        environ.pop(name, None)
    return environ


def own_environ() -> Mapping[str, str]:
    """The environment this process was started with, read from proc(5): `os.environ` may have changed since."""
    try:
        blob = Path("/proc/self/environ").read_bytes()
    except OSError:
        # No proc mounted: os.environ is the best there is, less whatever was changed before this import.
        return os.environ
    items = blob.removesuffix(b"\0").split(b"\0") if blob else []
    if not all(b"=" in item for item in items):
        # The program has set its title before this import, and setproctitle writes over this very memory.
        return os.environ
    pairs = (os.fsdecode(item).partition("=") for item in items)
    return {name: value for name, _, value in pairs}


def logical_directory(environ: Mapping[str, str], started_in: str = "") -> str:
    """`$PWD` if it names the directory we were started in, else the physical one (as pwd(1) -L does)."""
    logical = environ.get("PWD", "")
    try:
        physical = started_in or os.getcwd()
    except FileNotFoundError:
        # Deleted under us: a restart will say so; an import must not fail for it.
        return logical or "/"
    try:
        if os.path.isabs(logical) and os.path.samefile(logical, physical):
            return logical
    except OSError:
        pass
    return physical


def directory_of_start(orig_argv: Sequence[str], main_file: str) -> str:
    """Where the interpreter was started, if the main script's name was relative, else "".

    Many scripts change the directory before they import anything of their own. The interpreter has made the script's
    `__file__` absolute before (Python 3.9), so what stands there in front of the name is the directory of then.
    """
    for word in orig_argv[1:]:
        if not os.path.isabs(word) and main_file.endswith(f"/{word}"):
            return main_file[: -len(word)].rstrip("/") or "/"
    return ""


def describe(orig_argv: list[str], executable: str, directory: str, environ: Mapping[str, str]) -> Program:
    """How to start the program whose interpreter saw `orig_argv`.

    An interpreter that was named with a slash is named so again, joined to the logical directory; a script that was
    executed itself is executed itself, for its `#!` names the interpreter of its release; anything else is run by
    `executable`.
    """
    arguments = without_graceful(list(orig_argv))
    script = _executed_script(arguments, directory)
    if script is not None:
        path = os.path.join(directory, arguments[script])
        return Program(path, (path, *arguments[script + 1 :]), directory, environ)
    interpreter = arguments[0] if arguments else executable
    path = os.path.join(directory, interpreter) if "/" in interpreter else executable
    return Program(path, (path, *arguments[1:]), directory, environ)


def _executed_script(arguments: list[str], directory: str) -> int | None:
    """The index of the script the kernel started through its `#!` (execve(2)), or None if an interpreter was started.

    The kernel passes the interpreter exactly as the line has it; `/usr/bin/env python` is resolved by env(1), so
    there the interpreter is looked up again anyway.
    """
    for index in (1, 2):
        if index >= len(arguments) or arguments[index].startswith("-"):
            continue
        path = os.path.join(directory, arguments[index])
        words = _interpreter_line(path)
        if words and os.access(path, os.X_OK) and words == arguments[:index]:
            return index
        return None
    return None


def _interpreter_line(path: str) -> list[str]:
    try:
        with open(path, "rb") as file:
            first, second = file.readline(4096), file.readline(4096)
    except OSError:
        return []
    if not first.startswith(b"#!"):
        return []
    line = os.fsdecode(first[2:]).strip()
    if line == "/bin/sh" and second.startswith(b"'''exec'"):
        # pip's way around the kernel's limit on the length of this line: '''exec' /long/path/python "$0" "$@"
        return [os.fsdecode(second.split(b" ")[1]).strip('"')]
    return line.split(None, 1)


# Whether a process may be replaced. Each refusal is its own sentence, with its remedy.

_STAYS = "keep a process that stays in front of it, such as start_server (Server::Starter), and let its HUP restart"


def refusal(program: Program, origin: Origin, *, stays: bool = False) -> str:
    """Why this process must not be replaced by a successor, as a sentence; "" if it may.

    `stays`: generation 1 does not exit before the server does, so whoever waits for it may.
    """
    return _cannot_start_again(program) or _is_anothers(origin) or ("" if stays else _exit_would_stop(origin))


def _cannot_start_again(program: Program) -> str:
    if hasattr(sys, "ps1") or sys.flags.interactive:
        return "an interactive interpreter cannot be started again: put the program into a file"
    is_python = os.path.realpath(program.executable) == os.path.realpath(sys.executable)
    if is_python and _reads_standard_input(program.argv[1:]):
        return "a program read from standard input cannot be started again: put it into a file"
    return ""


def _reads_standard_input(arguments: Sequence[str]) -> bool:
    """Whether an interpreter with these arguments takes its program from there: no -c, no -m and no script, or `-`."""
    words = iter(arguments)
    for word in words:
        if word == "-" or not word.startswith("-"):
            return word == "-"
        option = re.match("-[^-cmWX]*([cmWX])(.*)", word, re.DOTALL)
        if option is not None and option[1] in "cm":
            return False
        if word == "--check-hash-based-pycs" or (option is not None and not option[2]):
            next(words, "")
    return True


def _is_anothers(origin: Origin) -> str:
    if "SERVER_STARTER_PORT" in origin.environ:
        return "this process was started by start_server (Server::Starter): send the SIGHUP to start_server"
    return ""


def _exit_would_stop(origin: Origin) -> str:
    """Reasons that lie in who waits for this process. Those about the parent hold for generation 1 only: later
    generations are adopted by pid 1 when their predecessor exits, which means nothing."""
    if origin.pid == 1:
        return f"this process is pid 1, and its exit would end the container: {_STAYS}"
    if origin.generation > 1:
        return ""
    if origin.parent == 1 and _name_of(1) not in _INITS:
        return f"pid 1 ({_name_of(1)}) waits for this process and would end with it: {_STAYS}"
    if origin.environ.get("SYSTEMD_EXEC_PID") == str(origin.pid) and not origin.environ.get("NOTIFY_SOCKET"):
        return (
            "this is the main process of a systemd unit without a notify socket, and its exit would stop the unit: "
            "set Type=notify (or notify-reload) in the unit"
        )
    if "SUPERVISOR_ENABLED" in origin.environ:
        return f"supervisord waits for this process and would start another when it exits: {_STAYS}"
    if os.getsid(0) == origin.pid and _has_terminal():
        return (
            "this process leads the session of a terminal, and its exit would hang the terminal up: "
            "start it from a shell, or with setsid and without the terminal"
        )
    return ""


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "unknown"


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
