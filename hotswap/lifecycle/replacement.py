"""Whether a retiring process may let its listeners go, or must serve again: a decision over what it sees."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Decision(enum.Enum):
    """What follows from a look at the process that serves instead of this one."""

    WAIT = "wait"  # keep the listeners a little longer
    RELEASE = "release"  # close them: there is no way back any more
    LOST = "lost"  # no process serves, and this one must


class Sight(NamedTuple):
    """What a retiring process sees of the others at one moment.

    served: a server process of this server serves. turning: one that serves has shown a heartbeat since this process
    began to retire. drained: a server process drains. tried: the replacement has had the time in which it may fail.
    handed_over: what was sent over the exchange has been received. exited: the replacement's process is gone; stopped:
    and it went on purpose. on_board: the replacement shares the scoreboard, so `served` speaks of it.
    """

    served: bool
    turning: bool
    drained: bool
    tried: bool
    handed_over: bool
    exited: bool
    stopped: bool
    on_board: bool


def judge(seen: Sight) -> Decision:
    """What a retiring process that still holds its listeners does now."""
    if seen.served:
        ready_to_go = seen.tried and seen.turning and seen.handed_over
        return Decision.RELEASE if ready_to_go else Decision.WAIT
    if seen.drained or (seen.exited and seen.stopped):
        # The server was told to stop: a listener that no process accepts from would make clients hang.
        return Decision.RELEASE
    if seen.exited:
        return Decision.LOST
    if seen.tried and not seen.on_board:
        # It lives, on a scoreboard of its own (another layout): it will never be seen on ours.
        return Decision.RELEASE
    # It retires itself, and holds the listeners: if its own successor is lost, it is the one to take back.
    return Decision.WAIT
