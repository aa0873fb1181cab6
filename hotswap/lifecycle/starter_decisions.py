"""What the starter does when a generation has ended, or a signal has come. Pure."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

#: A server that has served so long owes nothing to the deaths before it (seconds).
FORGIVEN_AFTER = 60.0
#: The starter gives up after so many deaths in a row of servers that never served.
GIVES_UP_AFTER = 5
_LONGEST_DELAY = 30.0


class Aftermath(enum.Enum):
    """What is to be done after a generation has ended."""

    NOTHING = "nothing"  # another one serves, boots, or takes back
    REPLACE = "replace"
    GIVE_UP = "give up"  # exit: a supervisor must learn that the server does not start
    EXIT = "exit"  # the server was told to stop, and is gone


class Fallen(NamedTuple):
    """The generation that has ended."""

    has_served: bool
    served_s: float
    told_to_stop: bool


class Deaths:
    """How often servers have died in a row, and what follows from it."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._before_ready = 0

    def judge(self, fallen: Fallen, holding: Sequence[object], *, stopping: bool, ever_served: bool) -> Aftermath:
        """What to do now that `fallen` has ended; `holding` are the generations because of which there is a server."""
        if stopping or fallen.told_to_stop:
            return Aftermath.EXIT
        if holding:
            return Aftermath.NOTHING
        if not ever_served:
            # The first start has failed, as it would have without a starter.
            return Aftermath.GIVE_UP
        self._count(fallen)
        return Aftermath.GIVE_UP if self._before_ready >= GIVES_UP_AFTER else Aftermath.REPLACE

    def _count(self, fallen: Fallen) -> None:
        if fallen.served_s >= FORGIVEN_AFTER:
            self._in_a_row = 0
        self._in_a_row += 1
        self._before_ready = 0 if fallen.has_served else self._before_ready + 1

    @property
    def delay_s(self) -> float:
        """Seconds to wait before the next start: 0, 1, 2, 4 … 30."""
        if self._in_a_row <= 1:
            return 0.0
        # The exponent is bounded before it is used: after days of dying it would be a very large number.
        return min(2.0 ** min(self._in_a_row - 2, 10), _LONGEST_DELAY)
