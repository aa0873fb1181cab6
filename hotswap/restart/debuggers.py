"""Debuggers in front of the program: `python -m debugpy --listen 5678 app.py`. The program is started again without.

The debugger listens, or reads a terminal, in generation 1: a successor with the same command could not listen there, or
would wait at a prompt.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

from hotswap.restart.program import program_start


class _Debugger(NamedTuple):
    """`valued`: its options that have a value, but for those written with an equals sign.

    ends_at: the option behind which the program stands; "" if that is the first word that is no option.
    """

    valued: str
    ends_at: str = ""


_PDB = _Debugger("-c|--command")
#: By the name of the module, or of the script, as editors start them.
_DEBUGGERS = {
    "debugpy": _Debugger("--listen|--connect|--configure-.*|--log-to|--parent-session-pid|--adapter-access-token"),
    "pydevd": _Debugger("", ends_at="--file"),
    "pdb": _PDB,
    "ipdb": _PDB,
    "pudb": _PDB,
}


def without_debugger(orig_argv: Sequence[str]) -> tuple[list[str], str]:
    """The interpreter's arguments as they would be without the debugger, and its name; as they are, and "", if there is
    none, or its options are not understood."""
    arguments = list(orig_argv)
    start = program_start(arguments)
    words = iter(arguments[start:])
    first = next(words, "")
    name = next(words, "") if first == "-m" else _name_of_script(first)
    if name not in _DEBUGGERS:
        return arguments, ""
    program = _program(_DEBUGGERS[name], list(words))
    return ([*arguments[:start], *program], name) if program else (arguments, "")


def _name_of_script(path: str) -> str:
    """Of the scripts that editors execute: pydevd.py, or the folder debugpy, which has a __main__.py."""
    folder, file = os.path.split(path.removesuffix("/__main__.py"))
    return file.removesuffix(".py") if folder and file in ("debugpy", "pydevd.py") else ""


def _program(debugger: _Debugger, words: list[str]) -> list[str]:
    """The program's own words, behind the debugger's options; none if there is no program."""
    if debugger.ends_at:
        if debugger.ends_at not in words:
            return []
        end = words.index(debugger.ends_at)
        program = words[end + 1 :]
        return ["-m", *program] if "--module" in words[:end] else program
    while words and words[0].startswith("-"):
        if re.fullmatch(debugger.valued, words[0]):
            del words[:2]
        elif words[0] in ("-m", "-c"):
            break
        else:
            del words[0]
    return words


def not_attached() -> contextlib.AbstractContextManager[object]:
    """A context in which a debugger does not put itself in front of a process that is started, as pydevd does with
    every Python program."""
    pydevd = sys.modules.get("_pydev_bundle.pydev_monkey")
    skip = getattr(pydevd, "skip_subprocess_arg_patch", contextlib.nullcontext)
    context: contextlib.AbstractContextManager[object] = skip()
    return context
