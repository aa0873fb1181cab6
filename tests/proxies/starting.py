"""The start of a proxy."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path


def start(command: Sequence[str], log: Path, *, descriptors: Sequence[int] = ()) -> None:
    """Starts a program that ends with the test; it writes into the log, beside which it runs, and has those
    descriptors.
    """
    with log.open("ab") as file:
        subprocess.Popen(
            command, cwd=log.parent, stdin=subprocess.DEVNULL, stdout=file, stderr=file, pass_fds=descriptors
        )
