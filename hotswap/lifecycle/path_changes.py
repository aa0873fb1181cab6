"""When does a watched path ask for a restart: once for each state that it comes to rest in."""

from __future__ import annotations


class PathChanges:
    """What is known of a path that is looked at again and again. States are texts that differ when the path does; None
    is a path that is not there, as in the middle of `ln -sfn`: what comes after it counts.

    `known` is the state that this generation, or the last successor that was tried, was started with: a successor that
    has failed, or was taken back, is not started again for that one.
    """

    def __init__(self, quiet_s: float) -> None:
        self.known: str | None = None
        #: as seen last
        self.seen: str | None = None
        self._quiet_s = quiet_s
        self._since = 0.0

    @property
    def is_unsettled(self) -> bool:
        """Whether it has changed, and may change further: it should be looked at sooner."""
        return self.seen != self.known

    def asks_for_restart(self, state: str | None, now: float) -> bool:
        """Take in what a look has found at `now` (seconds); True if it has changed and has been quiet since."""
        if state != self.seen:
            self.seen, self._since = state, now
        if state is None or not self.is_unsettled or now - self._since < self._quiet_s:
            return False
        self.known = state
        return True

    def starts_successor(self, state: str | None) -> None:
        """A successor is about to be started, for whatever reason, with this state, or None if that cannot be told in
        time: then with the one that was seen last."""
        self.seen = self.seen if state is None else state
        if self.seen is not None:
            self.known = self.seen
