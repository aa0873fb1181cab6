"""What may be meant by a command that there is not: another server's word for one, a misspelt one, or `hotswap run`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence

from hotswap.cli.application_file import instead_of_file, is_file

#: What others call it: apachectl, systemctl, puma, uWSGI, kamal, docker; and what people type.
OTHER_WORDS: Mapping[str, str] = {
    "apply": "restart",
    "deploy": "restart",
    "graceful": "restart",
    "hup": "restart",
    "phased-restart": "restart",
    "reboot": "restart",
    "reload": "restart",
    "upgrade": "restart",
    "revert": "rollback",
    "undo": "rollback",
    "down": "stop",
    "quit": "stop",
    "shutdown": "stop",
    "term": "stop",
    "halt": "stop --now",
    "kill": "stop --now",
    "logrotate": "reopen",
    "reopen-logs": "reopen",
    "rotate": "reopen",
    "info": "status",
    "list": "status",
    "ls": "status",
    "ps": "status",
    "show": "status",
    "stats": "status",
    "top": "status --watch",
    "watch": "status --watch",
    "serve": "run",
    "server": "run",
    "up": "run",
    "service": "systemd-unit",
    "systemd": "systemd-unit",
    "unit": "systemd-unit",
    "completion": "--print-completion bash",
    "help": "--help",
    "version": "--version",
}
#: Of the command itself, which has no other.
OPTIONS = ("--help", "--version", "--print-completion")
_APPLICATION = re.compile(r"[\w.]+:[\w.]+(\(.*\))?")


def instead_of_command(word: str, rest: Sequence[str], commands: Collection[str]) -> str:
    """Return what may be meant by `hotswap WORD REST`, as in "did you mean hotswap restart?"; "" if nothing is."""
    if is_file(word):
        return instead_of_file(word)
    meant = _meant(word, commands)
    if meant == ["--help"] and rest and rest[0] in commands:
        meant, rest = [rest[0], "--help"], []
    return f"did you mean hotswap {shlex.join([*meant, *rest])}?" if meant else ""


def _meant(word: str, commands: Collection[str]) -> list[str]:
    # Imported here: a command line without a mistake should not wait for it.
    from difflib import get_close_matches

    if word == "-V":  # as of python
        return ["--version"]
    if word.startswith("-"):
        close = get_close_matches(word, OPTIONS, n=1, cutoff=0.75)
        return close or ["run", word]
    if _APPLICATION.fullmatch(word):
        return ["run", word]
    lower = word.lower()
    close = [lower] if lower in OTHER_WORDS else get_close_matches(lower, [*commands, *OTHER_WORDS], n=1, cutoff=0.7)
    return OTHER_WORDS.get(close[0], close[0]).split() if close else []
