"""`hotswap --print-completion SHELL`: a script with which a shell completes commands, options, files and servers."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Mapping, Sequence

from hotswap.cli.exit_status import DONE, FAILED, MISUSED
from hotswap.cli.terminal import say
from hotswap.settings import Config
from hotswap.settings.run_options import add_options

SHELLS = ("bash", "zsh", "tcsh")
#: These take the options of `hotswap run`.
_LIKE_RUN = frozenset({"run", "systemd-unit"})
_FILES = frozenset({"FILE", "FILES", "CONFIG", "PATH"})
_DIRECTORIES = frozenset({"DIR", "CHDIR"})

# What a shell calls for the name of a server, which may be a pid file, too.
_SERVERS = {
    "bash": r"""
_hotswap_servers() {
  local IFS=$'\n'
  compgen -W "$(hotswap status --names 2>/dev/null)" -- "$1"
  compgen -f -- "$1"
}
""",
    "zsh": r"""
_hotswap_servers() {
  local -a servers
  servers=(${(f)"$(hotswap status --names 2>/dev/null)"})
  compadd -a servers
  _files
}
""",
}
_SERVER = {"bash": "_hotswap_servers", "zsh": "_hotswap_servers", "tcsh": "f"}


def main(words: Sequence[str], commands: Mapping[str, str]) -> int:
    """Print the script for the shell that `words` name; return the exit status."""
    if len(words) != 1 or words[0] not in SHELLS:
        say(f"hotswap --print-completion: name a shell: {', '.join(SHELLS)}", sys.stderr)
        return MISUSED
    try:
        text = script(words[0], commands)
    except ImportError:
        say("hotswap --print-completion: this needs shtab: pip install 'hotswap[completion]'", sys.stderr)
        return FAILED
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
    return DONE


def script(shell: str, commands: Mapping[str, str]) -> str:
    """Return the script for one of `SHELLS`. Raises ImportError if shtab is not installed."""
    import shtab

    top = whole_parser(commands)
    for parser in _parsers(top):
        for action in parser._actions:
            if kind := _kind(action):
                # As shtab wants it: an attribute that argparse does not know.
                vars(action)["complete"] = {"file": shtab.FILE, "directory": shtab.DIRECTORY, "server": _SERVER}[kind]
    return shtab.complete(top, shell=shell, preamble=_SERVERS.get(shell, ""))


def whole_parser(commands: Mapping[str, str]) -> argparse.ArgumentParser:
    """Return a parser with every command and all of its options. Nothing is read by it."""
    top = argparse.ArgumentParser(prog="hotswap")
    top.add_argument("-v", "--version", action="store_true", help="show the version and exit")
    top.add_argument("--print-completion", choices=SHELLS, help="print a script for a shell, and exit")
    commands_action = top.add_subparsers(metavar="COMMAND")
    for name, what in commands.items():
        parser = commands_action.add_parser(name, help=what)
        if name in _LIKE_RUN:
            add_options(parser, Config())
        else:
            importlib.import_module(f"hotswap.cli.{name.replace('-', '_')}").add_arguments(parser)
    return top


def _parsers(top: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    subparsers = [action for action in top._actions if isinstance(action, argparse._SubParsersAction)]
    return [top, *(parser for action in subparsers for parser in action.choices.values())]


def _kind(action: argparse.Action) -> str:
    """What completes the value of an argument; "" for none."""
    if action.dest == "server":
        return "server"
    metavar = str(action.metavar or action.dest.upper())
    return "file" if metavar in _FILES else "directory" if metavar in _DIRECTORIES else ""
