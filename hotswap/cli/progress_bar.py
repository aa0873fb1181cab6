"""A bar of text that tells a share. Pure."""

from __future__ import annotations

from typing import TextIO

#: full, empty; where an output cannot show the first pair, the second is taken
BLOCKS, LETTERS = ("█", "░"), ("#", "-")


def bar(done: int, total: int, width: int, marks: tuple[str, str] = BLOCKS) -> str:
    """Return a bar of `width` characters; full only if all is done, and so if there is nothing to do."""
    share = 1.0 if total <= 0 else min(1.0, max(0.0, done / total))
    full = int(share * width)
    return marks[0] * full + marks[1] * (width - full)


def marks_for(file: TextIO) -> tuple[str, str]:
    """Return the marks that this output can show."""
    try:
        "".join(BLOCKS).encode(file.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return LETTERS
    return BLOCKS
