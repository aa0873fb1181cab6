"""What the commands of all frameworks have in common."""

from __future__ import annotations

from collections.abc import Sequence

from hotswap.cli.main import in_words
from hotswap.cli.serve_command import ServeCommand

_GRACEFUL = "--graceful"


def serve(command: ServeCommand, arguments: Sequence[str]) -> int:
    """Serve until the server has stopped or retired; return the exit status. Failures are sentences on standard error.

    A successor has the flag among its arguments: frameworks copy sys.argv before they import hotswap, which takes it
    out there.
    """
    words = [word for word in arguments if word != _GRACEFUL]

    def run_it() -> int:
        # Imported here: it needs Linux, and frameworks import this module everywhere, and for any command of theirs.
        from hotswap.cli import run

        return run.main(words, command)

    return in_words(command.prog, run_it)
