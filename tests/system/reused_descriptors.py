"""Pipes that take every descriptor number that is free: a write to a number that was closed is seen in one of them."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Callable, Iterator

_PAIRS = 16  # more than the descriptors that the tested code has closed


@contextlib.contextmanager
def reused_descriptors() -> Iterator[Callable[[], bool]]:
    """Open them; the callable tells whether a byte has come into one."""
    with contextlib.ExitStack() as stack:
        reading = []
        for _ in range(_PAIRS):
            read, write = os.pipe()
            stack.callback(os.close, read)
            stack.callback(os.close, write)
            reading.append(read)
        yield lambda: bool(select.select(reading, [], [], 0)[0])
