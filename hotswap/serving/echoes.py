"""Tells a SIGHUP that several processes of a server have from several SIGHUPs, where the pid stays. Pure."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

#: A SIGHUP that reaches several processes within this time is one (seconds): `pkill -f` and dumb-init send it to all.
ONE_HUP = 0.5
#: The way of the process whose pid stays: the starter, or generation 1 that is going to be it.
KNOWN = "known pid"

# A word holds the time, in microseconds (50 bits are 35 years), the last bits of a generation's number, and the way.
_GENERATIONS = 1 << 12
_WHEN_AT = 13


class Hup(NamedTuple):
    """One as it came: when it reached a process of the server first (time.monotonic()), and which.

    It may be acted on much later, by another process: a generation remembers it while its successor boots, and passes
    it on then.
    """

    when: float
    way: str

    def to_word(self, generation: int) -> int:
        """As a number, for a counter on the scoreboard of a process that passes it on to that generation."""
        return (int(self.when * 1e6) << _WHEN_AT) + (generation % _GENERATIONS << 1) + (self.way == KNOWN)

    @classmethod
    def from_word(cls, word: int, pid: int, generation: int) -> Hup | None:
        """What process `pid` has written there, if it has passed that on to `generation`.

        Else a process that has a signal from outside would take it for the one that went by it to another generation,
        and pass that on a second time.
        """
        if word >> 1 & (_GENERATIONS - 1) != generation % _GENERATIONS:
            return None
        return cls((word >> _WHEN_AT) / 1e6, KNOWN if word & 1 else f"pid {pid}")


class Echoes:
    """What came, and on which ways. `clock` returns time.monotonic()."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: the last ones that were no echoes, each with the ways on which it has come by now
        self._acted_on: deque[tuple[float, set[str]]] = deque(maxlen=8)
        #: passed on by other processes: they may have come or not; and until when they may still come
        self._expected: list[tuple[Hup, float]] = []
        #: the last one that was no echo
        self.latest = Hup(0.0, "")

    def is_echo(self, hup: Hup) -> bool:
        """Whether this one came on another way, too, and was acted on. One that came on the same way is a new one."""
        for when, ways in self._acted_on:
            if abs(hup.when - when) < ONE_HUP and hup.way not in ways:
                ways.add(hup.way)
                return True
        self._acted_on.append((hup.when, {hup.way}))
        self.latest = hup
        return False

    def expect(self, hups: Iterable[Hup]) -> None:
        """By now these have been passed on, as signals."""
        until = self._clock() + ONE_HUP
        self._expected += [(hup, until) for hup in hups]

    def is_signal_echo(self, way: str) -> bool:
        """The same for a signal, which does not say who has sent it: each of the expected ones comes, in any order, but
        the kernel makes one of several that are pending. Every other came on `way`, from outside."""
        now = self._clock()
        self._expected = [each for each in self._expected if now < each[1]]
        if not self._expected:
            return self.is_echo(Hup(now, way))
        # The known pid's first: that may be a new one, and no new one may be lost.
        self._expected.sort(key=lambda each: each[0].way != KNOWN)
        return self.is_echo(self._expected.pop(0)[0])
