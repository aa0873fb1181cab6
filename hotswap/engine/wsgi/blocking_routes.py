"""Which routes block: an average per path, so that the lead is given away before a call that blocks as a rule.

Giving it away costs more than a quick call (a wake-up, and the loop's batch), so it must not be done for nothing.
Blocked means: the thread switched voluntarily *and* took clearly more time than its CPU time. Either alone is fooled:
the one by a lock held for a moment, the other by a busy machine. Only paths that were ever slow are measured.
"""

from __future__ import annotations

from collections import deque
from resource import RUSAGE_THREAD, getrusage
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hotswap.engine.values import Application, Environ

SLOW = 0.0001  # seconds: a path that never took longer is not measured
BLOCKED = 0.00025  # seconds without the CPU
RULE = 0.5  # above this average the lead is given away first
_WEIGHT = 0.125  # of the newest call in the average
_TRIAL = 0.25  # seconds between two calls of a blocking path that keep the lead, to see whether it still blocks
_LOOK_AT_TRIAL = 0.02  # seconds from the beginning of such a call in which the monitor looks closely
_ENOUGH = 32  # quick calls in a row, after which a path rests
_REST = 500  # requests without a measurement: a path that computes is slow each time, and measuring is not free
_PATHS = 1024  # a client that invents paths must not fill the memory
_NEAR = 8  # requests between two slow ones of a path that make it one to be measured: a single one is noise
# The monitor looks closely while this many calls blocked in this time, and one in so many requests did.
_MANY, _WITHIN, _ONE_IN = 2, 0.5, 200


class PathStats:
    """What is known of one path."""

    __slots__ = ("average", "quick", "rest", "trial")

    def __init__(self) -> None:
        self.average = 0.0  # 0.0: never blocks, 1.0: always
        self.quick = 0
        self.rest = 0  # the turn before which it is not measured
        self.trial = 0.0

    def blocks(self, now: float) -> bool:
        """True if a call made `now` should be made without the lead."""
        if self.average <= RULE:
            return False
        if now >= self.trial:
            self.trial = now + _TRIAL
            return False
        return True


class Measure:
    """Two looks at the calling thread, right around the application's call."""

    __slots__ = ("_cpu", "_given", "_start", "_taken", "blocked")

    def __init__(self) -> None:
        #: Whether the thread waited for something that was not the CPU; None if that cannot be told.
        self.blocked: bool | None = None

    def around(self, app: Application) -> Application:
        """`app`, measured while it is called."""

        def measured(environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
            self._begin()
            result: Iterable[bytes] = app(environ, start_response)
            self._end()
            return result

        return measured

    def _begin(self) -> None:
        usage = getrusage(RUSAGE_THREAD)
        self._cpu = usage.ru_utime + usage.ru_stime
        self._given, self._taken = usage.ru_nvcsw, usage.ru_nivcsw
        self._start = monotonic()

    def _end(self) -> None:
        wall = monotonic() - self._start
        usage = getrusage(RUSAGE_THREAD)
        cpu = usage.ru_utime + usage.ru_stime - self._cpu
        if wall - cpu <= BLOCKED or usage.ru_nvcsw == self._given:
            self.blocked = False
        elif usage.ru_nivcsw == self._taken or cpu < SLOW:
            self.blocked = True
        # Else the CPU was also taken from it, and that may be where the time went.


class BlockingRoutes:
    """The table of paths. Written by the leader and the monitor; a lost update costs one measurement."""

    __slots__ = ("_blocked", "_suspect", "_trial_until", "paths")

    def __init__(self) -> None:
        self.paths: dict[str, PathStats] = {}  # those that were slow
        self._suspect = ("", 0)
        self._trial_until = 0.0
        self._blocked: deque[tuple[float, int]] = deque([(float("-inf"), 0)] * _MANY, _MANY)  # time, turn

    def note_slow(self, path: str, turn: int) -> None:
        """A call that is not measured took long: measure this path from now on, if it was not the only one."""
        suspect, when = self._suspect
        if suspect == path and turn - when <= _NEAR:
            self._stats(path)
        self._suspect = (path, turn)

    def note(self, path: str, blocked: bool, turn: int) -> None:
        """One more call of `path` that began with the lead."""
        stats = self._stats(path)
        if blocked:
            self._blocked.append((monotonic(), turn))
        stats.average += _WEIGHT * (blocked - stats.average)
        stats.quick = 0 if blocked else stats.quick + 1
        stats.rest = 0
        if stats.quick > _ENOUGH:
            stats.quick = 0
            stats.rest = turn + _REST

    def often_block(self, now: float) -> bool:
        """Whether so many calls block with the lead that the monitor should look closely."""
        (first, from_turn), (_, to_turn) = self._blocked[0], self._blocked[-1]
        return now < self._trial_until or (now - first < _WITHIN and to_turn - from_turn < _MANY * _ONE_IN)

    def begin_trial(self, stats: PathStats, now: float) -> bool:
        """Whether a call that begins `now` with the lead probably blocks: the monitor should look closely at it."""
        if stats.average <= RULE:
            return False
        self._trial_until = now + _LOOK_AT_TRIAL
        return True

    def _stats(self, path: str) -> PathStats:
        stats = self.paths.get(path)
        if stats is None:
            if len(self.paths) >= _PATHS:
                self.paths = {}  # what is asked for again is soon learnt again
            stats = self.paths[path] = PathStats()
        return stats
