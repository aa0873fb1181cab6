"""The places of a cluster's workers, and how soon a place is filled again. Pure, but for the timer it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hotswap.crew.member import Member
    from hotswap.system.listeners import Listener
    from hotswap.system.waiter import Timer

#: A worker that has lived so long owes nothing to those before it (seconds).
FORGIVEN_AFTER = 60.0
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0


class Backoff:
    """How long to wait before the next one: not at all, then 0.5 s, and twice as long each time, at most 30 s."""

    def __init__(self) -> None:
        self._deaths = 0

    def died(self, lived: float) -> float:
        """Seconds to wait after the death of one that has lived `lived` seconds."""
        if lived >= FORGIVEN_AFTER:
            self._deaths = 0
        self._deaths += 1
        if self._deaths == 1:
            return 0.0
        # The exponent is bounded before it is used: after days of dying it would be a very large number.
        return min(_FIRST_DELAY * 2.0 ** min(self._deaths - 2, 10), _LONGEST_DELAY)


@dataclass(eq=False)
class Seat:
    """One place: who serves in it, and who is about to. A seat that is given up is not filled any more."""

    number: int
    member: Member | None = None
    following: Member | None = None
    backoff: Backoff = field(default_factory=Backoff)
    timer: Timer | None = None
    given_up: bool = False
    #: instead of those that all share
    listeners: Sequence[Listener] = ()

    def cancel(self) -> None:
        """Do not fill it later."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
