"""Shows something again and again until Ctrl-C: a terminal's screen is drawn anew, anything else gets every look."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable

from hotswap.cli.exit_status import DONE
from hotswap.cli.terminal import harmless, is_live, say

# ECMA-48: ED 2 erases the screen, CUP goes to its first place, EL 0 erases the rest of a line, ED 0 that of the screen.
_ERASE_SCREEN = "\x1b[2J"
_HOME, _ERASE_LINE, _ERASE_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def watch(look: Callable[[], str], every_s: float) -> int:
    """Show what `look()` returns, every `every_s` seconds; return the exit status when Ctrl-C ends it."""
    draw = _draw_on_screen() if is_live(sys.stdout) else say
    try:
        while True:
            draw(look())
            time.sleep(every_s)
    except KeyboardInterrupt:
        return DONE


def _draw_on_screen() -> Callable[[str], None]:
    sys.stdout.write(_ERASE_SCREEN)

    def draw(text: str) -> None:
        # What is there is written over: a screen that is erased first flickers.
        columns, lines = shutil.get_terminal_size()
        sys.stdout.write(frame(text, columns, lines))
        sys.stdout.flush()

    return draw


def frame(text: str, columns: int, lines: int) -> str:
    """Return what draws `text` from the first place of a screen of that size, and erases what was there before.

    What does not fit is left out: a line that is broken, or one too many, would move all others.
    """
    kept = [line.expandtabs()[:columns] for line in harmless(text).split("\n")[: lines - 1]]
    return _HOME + "".join(f"{line}{_ERASE_LINE}\n" for line in kept) + _ERASE_BELOW
