"""How long each stage of a restart takes, as the command sees it. Pure: the caller has the clock."""

from __future__ import annotations

from typing import NamedTuple


class StageTime(NamedTuple):
    """A stage that has ended: its name, and its seconds."""

    name: str
    took: float


class StageTimes:
    """The stages in their order. A stage lasts from the moment at which it was seen first until the next one is.

    `ended`: those that have ended.
    """

    def __init__(self) -> None:
        self.ended: list[StageTime] = []
        self._name = ""
        self._began = 0.0

    def enter(self, name: str, seconds: float) -> StageTime | None:
        """The stage is `name` now, `seconds` after the beginning; return the one that has ended by that, if any."""
        if name == self._name:
            return None
        over = self.end(seconds)
        self._name, self._began = name, seconds
        return over

    def end(self, seconds: float) -> StageTime | None:
        """No stage follows the one there is; return that, None if there is none."""
        if not self._name:
            return None
        over = StageTime(self._name, max(0.0, seconds - self._began))
        self.ended.append(over)
        self._name = ""
        return over

    def lasted(self, seconds: float) -> float:
        """Return for how long the stage there is lasts."""
        return max(0.0, seconds - self._began) if self._name else 0.0
