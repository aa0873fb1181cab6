"""How soon a worker's place is filled again after its worker has ended. Pure."""

from __future__ import annotations

#: A worker that has lived so long owes nothing to those before it (seconds).
FORGIVEN_AFTER = 60.0
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0


class Backoff:
    """How long to wait before the next worker: not at all, then 0.5 s, and twice as long each time, at most 30 s."""

    def __init__(self) -> None:
        self._deaths = 0

    def died(self, lived: float) -> float:
        """Seconds to wait after the death of a worker that has lived `lived` seconds."""
        if lived >= FORGIVEN_AFTER:
            self._deaths = 0
        self._deaths += 1
        if self._deaths == 1:
            return 0.0
        # The exponent is bounded before it is used: after days of dying it would be a very large number.
        return min(_FIRST_DELAY * 2.0 ** min(self._deaths - 2, 10), _LONGEST_DELAY)
