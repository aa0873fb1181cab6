"""A thread of the program's own: BELOW and LAST in plain.py."""

from __future__ import annotations

import threading

OVER = threading.Event()


def starts() -> None:
    """It keeps the process alive."""
    threading.Thread(target=OVER.wait, name="my-worker").start()


def ends() -> None:
    """When serve() has returned."""
    OVER.set()
