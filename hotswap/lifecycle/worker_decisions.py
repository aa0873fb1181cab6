"""What a worker cannot look up in the table, because it depends on the other workers: decided from values, pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from hotswap.lifecycle.leave_policy import LeaveMode, LeavePolicy
from hotswap.lifecycle.worker_states import Phase, Stage, WorkerEvent, WorkerState

#: With no other worker to serve, a worker that is spent does not go while a request runs that takes longer than this
#: (seconds): until that has ended no process would accept.
LONG_S = 0.5
#: How long after the end of a younger worker that never served the arbiter is given to say that it stops (seconds).
SECOND_WORD_S = 1.0
#: The exchange is full if for so long nothing more could be left there (seconds).
FULL_S = 1.0


#: The states in which a worker under an arbiter has to look whether its time has come.
DECIDES = frozenset({WorkerState.SPENT, WorkerState.TOLD, WorkerState.LEAVING, WorkerState.FOLLOWED})


@dataclass(frozen=True)
class ArbiterFacts:
    """What a worker under gunicorn's arbiter sees, at one moment; the arbiter itself says nothing but signals.

    waited_s: since it was told to leave, or had served enough.
    any_boots, younger_boots: any worker boots; one younger than this one does.
    younger_stopped: a younger worker was told to leave before it served.
    seen_boot_s: since a younger worker was last seen booting; None: not since the last SIGTERM.
    another_leaves: another worker leaves, so that it may soon be replaced.
    receiving: another worker polls the exchange.
    longest_s: how long the longest request has run here; None: none runs.
    stuck_s: for how long nothing more could be left in the exchange.
    """

    state: WorkerState
    waited_s: float = 0.0
    any_boots: bool = False
    younger_boots: bool = False
    younger_stopped: bool = False
    seen_boot_s: float | None = None
    another_leaves: bool = False
    receiving: bool = False
    longest_s: float | None = None
    stuck_s: float = 0.0


def decide(facts: ArbiterFacts, policy: LeavePolicy) -> WorkerEvent | None:
    """What has become true for a worker that is to leave; None: nothing, it goes on as before."""
    if facts.state is WorkerState.TOLD:
        return _decide_told(facts, policy)
    if facts.state is WorkerState.SPENT:
        return _decide_spent(facts, policy)
    if facts.state in (WorkerState.LEAVING, WorkerState.FOLLOWED):
        return _decide_leaving(facts)
    return None


def _decide_told(facts: ArbiterFacts, policy: LeavePolicy) -> WorkerEvent | None:
    """Serves on as long as a younger worker is about to serve, or will soon be, for want of the one that was."""
    if facts.waited_s >= (policy.limit_s(LeaveMode.AWAIT_YOUNGER) or 0.0):
        return WorkerEvent.GO
    if facts.younger_boots:
        return None
    if facts.seen_boot_s is None or facts.receiving or facts.younger_stopped:
        return WorkerEvent.GO
    if facts.seen_boot_s < SECOND_WORD_S:
        # It has ended. Where that ends gunicorn (exit codes 3 and 4), another SIGTERM comes.
        return None
    return WorkerEvent.GO_FOLLOWED


def _decide_spent(facts: ArbiterFacts, policy: LeavePolicy) -> WorkerEvent | None:
    if facts.waited_s > (policy.limit_s(LeaveMode.UNDER_ARBITER) or 0.0):
        return WorkerEvent.GO
    # One at a time, as far as that can be seen: else none might be left to serve.
    if facts.any_boots or facts.another_leaves:
        return None
    if not facts.receiving and _is_long_busy(facts):
        return None
    return WorkerEvent.GO


def _is_long_busy(facts: ArbiterFacts) -> bool:
    """Whether a request runs that takes long; one that has just begun is given the time to show it."""
    return facts.longest_s is not None and (facts.waited_s < LONG_S or facts.longest_s > LONG_S)


def _decide_leaving(facts: ArbiterFacts) -> WorkerEvent | None:
    """Whether there is still a process to leave the connections to, now or soon."""
    if not (facts.receiving or another_follows(facts)):
        return WorkerEvent.ALONE
    return WorkerEvent.FULL if facts.stuck_s > FULL_S else None


def another_follows(facts: ArbiterFacts) -> bool:
    """While leaving: whether a worker that does not receive yet will come for what is left in the exchange."""
    return facts.state is WorkerState.FOLLOWED or (facts.state is WorkerState.LEAVING and facts.younger_boots)


class EndMeans(enum.Enum):
    """What the server process says of a worker that has ended."""

    NOT_NEEDED = "was not needed any more"
    LEFT = "has left"
    LEFT_BY_ITSELF = "has left, having said why"
    BOOT_FAILED = "the boot fails"
    FAILED = "an error"


class Refill(enum.Enum):
    """When its slot gets the next worker."""

    NEVER = "never"
    NOW = "now"
    BACKED_OFF = "after a while, if those before it ended soon too"


@dataclass(frozen=True)
class WorkerEnd:
    """A worker that has ended: how far it was, whether it had said why it would go, and how it went."""

    stage: Stage
    said_why: bool
    ended_well: bool

    def means(self, phase: Phase) -> EndMeans:
        """What is said of it."""
        if self.stage is Stage.DROPPED:
            return EndMeans.NOT_NEEDED
        if self.ended_well and self.stage in (Stage.LEAVING, Stage.DISMISSED):
            return EndMeans.LEFT
        if self.ended_well and self.said_why:
            return EndMeans.LEFT_BY_ITSELF
        return EndMeans.BOOT_FAILED if phase is Phase.BOOTING else EndMeans.FAILED

    def refill(self, phase: Phase) -> Refill:
        """Whether another worker follows in its slot."""
        if phase is not Phase.SERVING or self.stage in (Stage.DROPPED, Stage.DISMISSED):
            return Refill.NEVER
        # No crash: gunicorn's workers go when they have served enough, and wait for no replacement.
        return Refill.NOW if self.said_why and self.ended_well else Refill.BACKED_OFF
