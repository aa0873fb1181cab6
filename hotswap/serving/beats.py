"""Whether another process still turns: its heartbeats on the scoreboard grow."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from hotswap.scoreboard import SlotView


class Beats:
    """Asked now and then. `patience_s`: how long a process may show the same beats. `clock` returns seconds."""

    def __init__(self, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience_s = patience_s
        self._clock = clock
        #: pid to its beats, and when they were seen first
        self._seen: dict[int, tuple[int, float]] = {}

    def turns(self, views: Sequence[SlotView]) -> bool:
        """Whether one of these has beaten lately."""
        now = self._clock()
        before, self._seen = self._seen, {}
        for view in views:
            beats, then = before.get(view.pid, (-1, now))
            self._seen[view.pid] = (view.beats, then if beats == view.beats else now)
        return any(now - then < self._patience_s for _, then in self._seen.values())
