"""Where a program finds its modules and files: for ABOVE and BELOW in plain.py."""

from __future__ import annotations

import sys


def reads(path: str) -> None:
    """A file that only root may read."""
    with open(path) as file:
        file.read()


def first(folder: str) -> None:
    """Modules are looked for in that folder before any other."""
    sys.path.insert(0, folder)
