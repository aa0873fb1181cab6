"""The only way in which a test polls: what no event announces is asked for again until a deadline."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Literal, TypeVar

T = TypeVar("T")

DEADLINE = 15.0
"""Seconds; far more than anything takes, so that only what never comes is missed, on a busy machine too."""
INTERVAL = 0.01


def eventually(ask: Callable[[], T | Literal[False] | None], why: str = "", *, deadline: float = DEADLINE) -> T:
    """The first true answer of `ask`; AssertionError with `why` if none comes within `deadline` seconds."""
    until = time.monotonic() + deadline
    while not (answer := ask()):
        if time.monotonic() > until:
            raise AssertionError(f"not within {deadline:g} s: {why or ask}; the last answer was {answer!r}")
        select.select([], [], [], INTERVAL)
    return answer
