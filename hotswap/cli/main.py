"""The command `hotswap`: `GROUPS` has its commands.

Each command is a module of `hotswap.cli` with `main(arguments) -> exit status`. It is imported only when the user calls
it: `hotswap status` must not wait for the imports of `hotswap run`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence

from hotswap.cli.exit_status import DONE, FAILED, INTERRUPTED, MISUSED
from hotswap.compat import NEEDED, restarts_hot
from hotswap.errors import HotswapError

#: As --help shows them: by what the user is about to do.
GROUPS: Mapping[str, Mapping[str, str]] = {
    "Serve": {
        "run": "serve an application: hotswap run module:app",
        "start": "run a server of any language behind a pid that stays: hotswap start --port 80 -- command",
    },
    "A server that runs": {
        "status": "show the running servers",
        "restart": "replace it by its next version, and wait for how that goes",
        "rollback": "put the old version back in service, while the new one is on probation",
        "stop": "let it finish what it serves, and wait until it is gone",
        "drain": "tell load balancers that it takes no new clients, and serve on",
        "metrics": "write its figures in Prometheus' text format",
        "reopen": "have it open its log files anew",
    },
    "Set up": {
        "systemd-unit": "print a service unit: hotswap systemd-unit module:app",
    },
}
COMMANDS: Mapping[str, str] = {name: what for group in GROUPS.values() for name, what in group.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out a command line and return the exit status; every failure is a sentence on standard error.

    `argv` is without the program's name; None stands for sys.argv.
    """
    name, *arguments = (sys.argv[1:] if argv is None else argv) or [""]
    if name in ("-h", "--help"):
        print(usage())
        return DONE
    if name in ("-v", "--version"):
        print(version())
        return DONE
    if name in COMMANDS:
        return carry_out(name, arguments)
    if name == "--print-completion":
        # Imported here: it needs all that the commands need.
        from hotswap.cli import completion

        return in_words("hotswap", lambda: completion.main(arguments, COMMANDS))
    print(misused(name, arguments), file=sys.stderr)
    return MISUSED


def misused(name: str, arguments: Sequence[str]) -> str:
    """Return what is said of a command that there is not: what may be meant, or the usage."""
    if not name:
        return f"{usage()}\n\nhotswap: a command is missing"
    # Imported here: a command line without a mistake should not wait for it.
    from hotswap.cli.suggestions import instead_of_command

    complaint = f"hotswap: there is no command {name!r}"
    if meant := instead_of_command(name, arguments, COMMANDS):
        return f"{complaint}: {meant}"
    return f"{usage()}\n\n{complaint}"


def carry_out(name: str, arguments: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    module = f"hotswap.cli.{name.replace('-', '_')}"
    return in_words(f"hotswap {name}", lambda: int(importlib.import_module(module).main(arguments)))


def in_words(prog: str, command: Callable[[], int]) -> int:
    """Return the command's exit status, with its failures as sentences. An exception of the application is not caught:
    its traceback is the message."""
    if not restarts_hot():
        print(f"{prog}: {NEEDED}; hotswap.serve() in the program works", file=sys.stderr)
        return FAILED
    try:
        return command()
    except HotswapError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # `hotswap status | head -1`: no process reads the rest. The flush at exit must not meet that pipe again.
        sys.stdout = None
        return FAILED


def usage() -> str:
    """Return the text of --help."""
    lines = ["usage: hotswap COMMAND ..."]
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:", *(f"  {name:14}{what}" for name, what in commands.items())]
    return "\n".join(
        [*lines, "", "hotswap COMMAND --help tells more; hotswap --version; hotswap --print-completion bash|zsh|tcsh"]
    )


def version() -> str:
    """Return the text of --version, with the lane that the engine would use here: C, or Python and why."""
    from importlib.metadata import version as installed

    lane = ""
    if restarts_hot():
        from hotswap.engine.native import choice

        lane = f", lane: {choice.NAME}"
    return f"hotswap {installed('hotswap')} (gunicorn {installed('gunicorn')}{lane})"


if __name__ == "__main__":
    sys.exit(main())
