"""The places of a cluster's workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hotswap.system.listeners import Listener
from hotswap.system.main_loop import Timer
from hotswap.workers.backoff import Backoff
from hotswap.workers.handle import WorkerHandle


@dataclass(eq=False)
class WorkerSlot:
    """One place: the worker that serves in it, and the one that is about to. A slot that is given up stays empty.

    `timer` fills it later. `listeners` are a worker's own, instead of those that all workers share.
    """

    number: int
    current: WorkerHandle | None = None
    following: WorkerHandle | None = None
    backoff: Backoff = field(default_factory=Backoff)
    timer: Timer | None = None
    given_up: bool = False
    listeners: Sequence[Listener] = ()

    def cancel(self) -> None:
        """Do not fill it later."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def drop(self, handle: WorkerHandle) -> None:
        """This worker has ended: the slot does not hold it any more."""
        if self.current is handle:
            self.current = None
        if self.following is handle:
            self.following = None
