"""A program that does not know --graceful: its predecessor reads on its standard error what it says of the flag, and
then starts it without.

`import hotswap` takes the flag out of sys.argv. argparse above that import fails before it; click and Django, which
have copied the arguments before they import the application, behind it.
"""

from __future__ import annotations

import re

from hotswap.restart.program import GRACEFUL

_FLAG = re.compile(rf"{GRACEFUL}\b")


def names_flag(text: str) -> bool:
    """Whether a program that has failed with this `text` may have failed because of the flag."""
    return _FLAG.search(text) is not None


def line_with_flag(text: str) -> str:
    """The line that says so, for the log."""
    return next((line.strip() for line in text.splitlines() if names_flag(line)), "")
