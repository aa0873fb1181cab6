"""What the workers of one gunicorn arbiter have in common: the exchange, the scoreboard, and which workers boot.

Made in the arbiter, which holds it open as long as it lives: connections that a worker leaves in the exchange wait
there for the next worker. Nothing of it has a path, so an arbiter that is killed leaves nothing behind.
"""

from __future__ import annotations

import enum
import mmap
import os
import struct
from typing import Final

from hotswap.handover.exchange import Exchange
from hotswap.lifecycle.states import State
from hotswap.scoreboard import Scoreboard, Slot, files

_AGE: Final = struct.Struct("<Q")
#: How many of the youngest workers are told apart; gunicorn never boots so many at once.
_KNOWN: Final = 1024


class BootStatus(enum.IntEnum):
    """How far a worker is; one byte of shared memory."""

    SHOWN = 0  # the worker stands on the scoreboard, has ended, or there never was such a worker
    AWAITED = 1  # the arbiter is about to fork it, or has just forked it
    STOP_REQUESTED = 2  # it was told to leave before it served


class BootBoard:
    """Which workers the arbiter has forked that do not stand on the scoreboard yet, or never served.

    In memory that is shared over forks. gunicorn tells an old worker to leave right after it has forked the new ones,
    long before these can enter the scoreboard themselves: so the arbiter announces them, before the fork. gunicorn
    counts its workers; that number is called a worker's age, and the youngest worker has the largest.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _AGE.size + _KNOWN)

    def announce(self, age: int) -> None:
        """In the arbiter: the worker of this age is about to be forked."""
        self._memory[self._place(age)] = BootStatus.AWAITED
        _AGE.pack_into(self._memory, 0, age)

    def shown(self, age: int) -> None:
        """In that worker: it stands on the scoreboard now."""
        self._memory[self._place(age)] = BootStatus.SHOWN

    def stop_requested(self, age: int) -> None:
        """In that worker: it was told to leave before it served."""
        self._memory[self._place(age)] = BootStatus.STOP_REQUESTED

    def ended(self, age: int) -> None:
        """In the arbiter: that worker has ended. One that never came to the scoreboard is not awaited any more."""
        if self._memory[self._place(age)] == BootStatus.AWAITED:
            self._memory[self._place(age)] = BootStatus.SHOWN

    def awaited(self, after: int = 0) -> bool:
        """Whether a worker younger than `after` was announced and does not stand on the scoreboard yet."""
        return self._any(after, BootStatus.AWAITED)

    def any_stop_requested(self, after: int) -> bool:
        """Whether a worker younger than `after`, dead or alive, was told to leave before it served."""
        return self._any(after, BootStatus.STOP_REQUESTED)

    def _any(self, after: int, status: BootStatus) -> bool:
        (latest,) = _AGE.unpack_from(self._memory)
        ages = range(max(after, latest - _KNOWN) + 1, latest + 1)
        return any(self._memory[self._place(age)] == status for age in ages)

    @staticmethod
    def _place(age: int) -> int:
        return _AGE.size + age % _KNOWN


class ArbiterShared:
    """One arbiter's. A worker's slot has its age where a worker under our own server process has the generation."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.exchange = Exchange.create()
        self.board = Scoreboard.from_fd(files.create_in_memory("gunicorn"))
        self.boot_board = BootBoard()

    def enter(self, age: int) -> Slot:
        """In a worker, as early as can be: stand on the scoreboard, as a worker that boots."""
        slot = self.board.take_slot(age, "worker")
        slot.set_state(State.BOOTING.value)
        self.boot_board.shown(age)
        return slot

    def boots(self, after: int = 0) -> bool:
        """Whether a worker younger than `after` boots, and has not been told to leave before it serves."""
        # In this order: a worker that enters the scoreboard in between is seen twice, and not overlooked.
        return self.boot_board.awaited(after) or any(
            view.boots and view.generation > after for view in self.board.slots()
        )

    def leaves(self) -> bool:
        """Whether another worker is leaving, so that it may soon be replaced."""
        others = (view for view in self.board.slots() if view.pid != os.getpid())
        return any(view.retires or view.drains for view in others)


_made: ArbiterShared | None = None


def prepare() -> None:
    """Make what this process shares with its workers, unless it has: what was made before a fork is the parent's."""
    global _made
    if _made is None or _made.pid != os.getpid():
        _made = ArbiterShared()


def here() -> ArbiterShared | None:
    """What this process shares with its workers, None if `prepare` was never called in it."""
    return _made if _made is not None and _made.pid == os.getpid() else None
