"""Which routes block: an average per path, so that the lead is given away before a call that blocks as a rule.

Giving it away costs more than a quick call (a wake-up, and the loop's batch), so it must not be done for nothing. Blocked
means: the thread switched voluntarily *and* took clearly more time than its CPU time. Either alone is fooled: the one by a
lock held for a moment, the other by a busy machine. Only paths that were ever slow are measured.
"""

from __future__ import annotations

from resource import RUSAGE_THREAD, getrusage
from time import monotonic

SLOW = 0.0001  # seconds: a path that never took longer is not measured
_BLOCKED = 0.00025  # seconds without the CPU
_RULE = 0.5  # above this average the lead is given away first
_WEIGHT = 0.125  # of the newest call in the average
TRIAL = (
    0.25  # seconds between two calls of a blocking path that keep the lead, to see whether it still blocks
)
_ENOUGH = 64  # quick calls in a row, after which a path is not measured any more
_PATHS = 1024  # a client that invents paths must not fill the memory


class Route:
    """What is known of one path."""

    __slots__ = ("average", "quick", "trial")

    def __init__(self) -> None:
        self.average = 0.0  # 0.0: never blocks, 1.0: always
        self.quick = 0
        self.trial = 0.0

    def blocks(self, now: float) -> bool:
        """True if a call made `now` should be made without the lead."""
        if self.average <= _RULE:
            return False
        if now >= self.trial:
            self.trial = now + TRIAL
            return False
        return True


class Measure:
    """Two looks at the calling thread, right around a call."""

    __slots__ = ("_cpu", "_start", "_switches")

    def __init__(self) -> None:
        usage = getrusage(RUSAGE_THREAD)
        self._cpu = usage.ru_utime + usage.ru_stime
        self._switches = usage.ru_nvcsw
        self._start = monotonic()

    def blocked(self) -> bool:
        """Whether the thread waited for something that was not the CPU."""
        wall = monotonic() - self._start
        usage = getrusage(RUSAGE_THREAD)
        return (
            usage.ru_nvcsw > self._switches
            and wall - (usage.ru_utime + usage.ru_stime - self._cpu) > _BLOCKED
        )


class Pace:
    """The table of routes. Written by the leader and the monitor; a lost update costs one measurement."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.blocked_at = float("-inf")  # when a call was last seen blocking that had the lead

    def learn(self, path: str) -> Route | None:
        """Measure this path from now on; None if the table is full."""
        route = self.routes.get(path)
        if route is None and len(self.routes) < _PATHS:
            route = self.routes[path] = Route()
        return route

    def note(self, path: str, blocked: bool) -> None:
        """One more call of `path` that began with the lead."""
        route = self.learn(path)
        if blocked:
            self.blocked_at = monotonic()
        if route is None:
            return
        route.average += _WEIGHT * (blocked - route.average)
        route.quick = 0 if blocked else route.quick + 1
        if route.quick > _ENOUGH:
            self.routes.pop(path, None)
