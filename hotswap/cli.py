"""The command `hotswap`: run · restart · stop · status.

Each command is a module of `hotswap.commands` with `main(arguments) -> exit status`, imported only when it is
asked for: `hotswap status` must not wait for what `hotswap run` needs.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence

from hotswap.errors import HotswapError
from hotswap.platform import NEEDED, restarts_hot

COMMANDS: Mapping[str, str] = {
    "run": "serve an application: hotswap run module:app",
    "restart": "replace a running server by its next version, and wait for how that goes",
    "stop": "let a running server finish what it serves, and wait until it is gone",
    "status": "show the running servers",
}

#: Exit statuses: what was asked for is done; it is not; the command line makes no sense; Ctrl-C.
DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out a command line and return the exit status; every failure is a sentence on standard error."""
    name, *arguments = (sys.argv[1:] if argv is None else argv) or [""]
    if name in ("-h", "--help"):
        print(usage())
        return DONE
    if name in ("-v", "--version"):
        print(version())
        return DONE
    if name not in COMMANDS:
        complaint = f"there is no command {name!r}" if name else "a command is missing"
        print(f"{usage()}\n\nhotswap: {complaint}", file=sys.stderr)
        return MISUSED
    return carry_out(name, arguments)


def carry_out(name: str, arguments: Sequence[str]) -> int:
    """Run one command. An error of the application's own is not caught: its traceback is the message."""
    if not restarts_hot():
        print(f"hotswap {name}: {NEEDED}; hotswap.serve() in the program works", file=sys.stderr)
        return FAILED
    try:
        return int(importlib.import_module(f"hotswap.commands.{name}").main(arguments))
    except HotswapError as error:
        print(f"hotswap {name}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # `hotswap status | head -1`: nobody reads the rest. The flush at exit must not meet that pipe again.
        sys.stdout = None
        return FAILED


def usage() -> str:
    """Return the text of --help."""
    lines = (f"  {name:9}{what}" for name, what in COMMANDS.items())
    return "\n".join(
        ["usage: hotswap COMMAND ...", "", *lines, "", "hotswap COMMAND --help tells more; hotswap --version"]
    )


def version() -> str:
    """Return the text of --version."""
    from importlib.metadata import version as installed

    return f"hotswap {installed('hotswap')} (gunicorn {installed('gunicorn')})"


if __name__ == "__main__":
    sys.exit(main())
