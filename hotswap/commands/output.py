"""What a command tells while it waits: a line that changes on a terminal, a line a step anywhere else."""

from __future__ import annotations

import sys
from typing import TextIO

CLEAR_LINE = "\r\x1b[K"  # ECMA-48 EL: back to the first column, and nothing right of it


def say(text: str, file: TextIO | None = None) -> None:
    """Write a line, now: whoever reads it may be waiting for it."""
    target = sys.stdout if file is None else file
    target.write(f"{text}\n")
    target.flush()


class Progress:
    """Shows where something is. The same step twice is one line."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = sys.stdout if file is None else file
        self._live = self._file.isatty()
        self._shown = ""

    def step(self, text: str, seconds: float) -> None:
        """Show the step under way, and on a terminal for how long it has been waited."""
        if self._live:
            self._file.write(f"{CLEAR_LINE}{text} … {seconds:.1f} s")
            self._file.flush()
        elif text != self._shown:
            say(text, self._file)
        self._shown = text

    def done(self) -> None:
        """Take the changing line away, so that what is written next stands alone."""
        if self._live and self._shown:
            self._file.write(CLEAR_LINE)
            self._file.flush()
        self._shown = ""
