"""What this process is as a program: how to start it again, from where, and with what environment.

Read once, early: at import `sys.orig_argv`, the environment and the directory are still what the operator gave;
later `load_dotenv`, `os.chdir` and a moved `current` symlink have changed them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

GRACEFUL = "--graceful"


class Program(NamedTuple):
    """How to start this program again.

    `executable` is an absolute path, `argv` its arguments with `argv[0]`, without --graceful; `directory` is the
    directory as the user knows it (symlinks unresolved); `environ` that of generation 1.
    """

    executable: str
    argv: tuple[str, ...]
    directory: str
    environ: Mapping[str, str]
    #: False for a program that does not know the flag, which was tried
    takes_flag: bool = True
    #: the debugger that was in front of it when it was started, and is not when it is started again
    debugger: str = ""

    def command(self) -> list[str]:
        """The successor's argument list: --graceful is its last word, exactly once, if it takes that."""
        return [*self.argv, GRACEFUL] if self.takes_flag else list(self.argv)


class Origin(NamedTuple):
    """Where this process came from: facts that are true at import and may not be true later.

    `environ` is everything this process was started with, also what is not passed on.
    """

    pid: int
    parent: int
    generation: int
    environ: Mapping[str, str]


def program_start(arguments: Sequence[str]) -> int:
    """The index of the word with which the program begins, behind the interpreter and its options: -c, -m or a script.

    The number of arguments if there is none.
    """
    index = 1
    while index < len(arguments) and arguments[index].startswith("-") and arguments[index] not in ("-", "-m", "-c"):
        option = re.match("-[^-cmWX]*([cmWX])(.*)", arguments[index], re.DOTALL)
        if option is not None and option[1] in "cm":
            break
        has_value = arguments[index] == "--check-hash-based-pycs" or (option is not None and not option[2])
        index += 2 if has_value else 1
    return min(index, len(arguments))


def without_graceful(arguments: list[str]) -> list[str]:
    """`arguments` less the --graceful that a predecessor appended: the last word, and only that one."""
    return arguments[:-1] if arguments[1:] and arguments[-1] == GRACEFUL else arguments


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
