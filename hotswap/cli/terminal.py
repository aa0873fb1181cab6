"""What a command writes: lines that do nothing to a terminal, and on one a last line that changes."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

CLEAR_LINE = "\r\x1b[K"  # to the first column, then ECMA-48 EL: erase the line from there on


#: What a terminal would obey: a name or an error's text comes from a file that another user may have written.
_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(0x20), *range(0x7F, 0xA0)) if chr(number) not in "\n\t"}


def harmless(text: str) -> str:
    """Return the text with its control characters made visible, but for ends of lines and tabulators."""
    return text.translate(_CONTROLS)


def is_live(file: TextIO) -> bool:
    """Whether what is written there can be written over: on a terminal that knows how."""
    return file.isatty() and os.environ.get("TERM") != "dumb"


def say(text: str, file: TextIO | None = None) -> None:
    """Write a line, without control characters, and flush it: a program that reads it may be waiting for it."""
    target = sys.stdout if file is None else file
    target.write(f"{harmless(text)}\n")
    target.flush()


class Progress:
    """Shows how far something is. The same step twice is one line."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = sys.stdout if file is None else file
        self._live = is_live(self._file)
        self._shown = ""

    def step(self, text: str, seconds: float) -> None:
        """Show the step under way, and on a terminal for how many seconds the command has waited."""
        if self._live:
            self.line(f"{text} … {seconds:.1f} s")
        elif text != self._shown:
            say(text, self._file)
            self._shown = text

    def line(self, text: str) -> None:
        """Write over the changing line of a terminal. One that is too long is cut: a second line would stay."""
        if text == self._shown:
            return
        # First: Ctrl-C may end the writing, and what is on the terminal by then is to be erased.
        self._shown = text
        columns = shutil.get_terminal_size().columns
        self._file.write(f"{CLEAR_LINE}{harmless(text)[: columns - 1]}")
        self._file.flush()

    def done(self) -> None:
        """Erase the changing line, so that the next line stands alone."""
        if self._live and self._shown:
            self._file.write(CLEAR_LINE)
            self._file.flush()
        self._shown = ""
