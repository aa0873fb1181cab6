"""How long leaving may take, in every way of leaving: the one reader of graceful_timeout and retire_timeout."""

from __future__ import annotations

import enum
from typing import NamedTuple, Protocol

#: What is kept of graceful_timeout for a worker's own end under gunicorn's arbiter: after it the arbiter kills, and no
#: log says what was cut (seconds).
MARGIN_S = 0.5
#: What is kept of it for what still runs when a younger worker has been waited for long enough (seconds).
FINISH_S = 5.0
#: What is left between the own deadline of gunicorn's worker classes and ours: what they do last takes time (seconds).
SPARE_S = 1.0
#: How much later than a worker's own deadline the server process ends it by SIGKILL (seconds).
KILL_AFTER_S = 1.0


class LeaveTimes(Protocol):
    """The two settings (`hotswap.settings.options.LeaveOptions`), in seconds; a retire_timeout of 0 is no limit."""

    @property
    def graceful_timeout_s(self) -> float: ...
    @property
    def retire_timeout_s(self) -> float: ...


class LeaveMode(enum.Enum):
    """The ways of leaving."""

    DRAIN = "drain"  # a stop: an operator waits
    RETIRE = "retire"  # a restart: the successor serves
    RETIRE_ALONE = "retire alone"  # one worker, replaced or not needed any more: its siblings serve
    KILL_ALONE = "kill alone"  # the same, as the server process sees it: then the worker is killed
    ORPHAN_RECEIVED = "orphan, received"  # a worker without its server process; a successor's workers serve
    ORPHAN_UNRECEIVED = "orphan, not received"  # the same, and no process serves
    UNDER_ARBITER = "under arbiter"  # a worker under gunicorn's arbiter, which kills when graceful_timeout is over
    AWAIT_YOUNGER = "await younger"  # such a worker, for the younger one that boots
    FOREIGN_DRAIN = "foreign drain"  # a worker class of gunicorn's, told to drain by our server process
    FOREIGN_RETIRE = "foreign retire"  # the same, told to retire
    FOREIGN_UNASKED = "foreign, unasked"  # the same, by itself or by a signal that was not ours: gunicorn's own rule


class LeavePolicy(NamedTuple):
    """Answers how long leaving may take (seconds). graceful_s 0 is "at once", retire_s 0 is no limit."""

    graceful_s: float
    retire_s: float

    @classmethod
    def of(cls, times: LeaveTimes) -> LeavePolicy:
        """The policy that the settings ask for."""
        return cls(times.graceful_timeout_s, times.retire_timeout_s)

    def limit_s(self, mode: LeaveMode) -> float | None:
        """How long leaving in this way may take, from the moment it begins; None is no limit."""
        graceful, retire = self.graceful_s, self.retire_s or None
        limits: dict[LeaveMode, float | None] = {
            LeaveMode.DRAIN: graceful,
            LeaveMode.RETIRE: retire,
            LeaveMode.RETIRE_ALONE: retire,
            LeaveMode.KILL_ALONE: _more(retire, KILL_AFTER_S),
            LeaveMode.ORPHAN_RECEIVED: retire,
            LeaveMode.ORPHAN_UNRECEIVED: graceful,
            LeaveMode.UNDER_ARBITER: _less(graceful, MARGIN_S),
            LeaveMode.AWAIT_YOUNGER: _less(graceful, FINISH_S),
            LeaveMode.FOREIGN_DRAIN: max(graceful - SPARE_S, 0.0),
            LeaveMode.FOREIGN_RETIRE: None if retire is None else max(retire - SPARE_S, 0.0),
            LeaveMode.FOREIGN_UNASKED: graceful,
        }
        return limits[mode]


def _more(seconds: float | None, addition: float) -> float | None:
    return None if seconds is None else seconds + addition


def _less(seconds: float, reserve: float) -> float:
    """Half of it where the reserve would leave less than that."""
    return max(seconds - reserve, seconds / 2)
