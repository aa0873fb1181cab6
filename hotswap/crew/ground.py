"""What the workers of one gunicorn arbiter have in common: the exchange, the scoreboard, and who is about to be born.

Made in the arbiter, which holds it open as long as it lives: what a worker leaves in the exchange waits there for the
next one. Nothing of it has a path, so an arbiter that is killed leaves nothing behind.
"""

from __future__ import annotations

import enum
import mmap
import os
import struct
from typing import Final

from hotswap.system.exchange import Exchange
from hotswap.system.scoreboard import Scoreboard, Slot, files

_AGE: Final = struct.Struct("<Q")
#: How many of the youngest workers are told apart; gunicorn never boots so many at once.
_KNOWN: Final = 1024


class Birth(enum.IntEnum):
    """How far a worker is; one byte of shared memory."""

    SHOWN = 0  # it stands on the scoreboard, or never was
    AWAITED = 1  # the arbiter is about to fork it, or it has just been
    TOLD = 2  # it was told to leave before it served


class Births:
    """Which workers the arbiter has forked that have not shown themselves on the scoreboard yet, or never served.

    In memory that is shared over forks. gunicorn tells an old worker to leave right after it has forked the new ones,
    long before these can speak for themselves: so the arbiter announces them, before the fork.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _AGE.size + _KNOWN)

    def announce(self, age: int) -> None:
        """In the arbiter: the worker of this age (gunicorn counts them) is about to be forked."""
        self._memory[self._place(age)] = Birth.AWAITED
        _AGE.pack_into(self._memory, 0, age)

    def shown(self, age: int) -> None:
        """In that worker: it stands on the scoreboard now."""
        self._memory[self._place(age)] = Birth.SHOWN

    def told(self, age: int) -> None:
        """In that worker: it was told to leave before it served."""
        self._memory[self._place(age)] = Birth.TOLD

    def awaited(self, after: int = 0) -> bool:
        """Whether one younger than `after` was announced and has not shown itself."""
        return self._any(after, Birth.AWAITED)

    def any_told(self, after: int) -> bool:
        """Whether one younger than `after` was told to leave before it served, be it dead or alive."""
        return self._any(after, Birth.TOLD)

    def _any(self, after: int, what: Birth) -> bool:
        (latest,) = _AGE.unpack_from(self._memory)
        ages = range(max(after, latest - _KNOWN) + 1, latest + 1)
        return any(self._memory[self._place(age)] == what for age in ages)

    @staticmethod
    def _place(age: int) -> int:
        return _AGE.size + age % _KNOWN


class Ground:
    """One arbiter's. A worker's slot has its age where our own server process has the generation."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.exchange = Exchange.create()
        self.board = Scoreboard.from_fd(files.create_in_memory("gunicorn"))
        self.births = Births()

    def enter(self, age: int) -> Slot:
        """In a worker, as early as can be: stand on the scoreboard, as one that boots."""
        slot = self.board.take_slot(age, "worker")
        slot.set_state("booting")
        self.births.shown(age)
        return slot

    def boots(self, after: int = 0) -> bool:
        """Whether a worker younger than `after` is on its way, and has not been told to leave before it serves."""
        # In this order: who shows itself in between is seen twice, and not overlooked.
        return self.births.awaited(after) or any(
            view.state == "booting" and view.generation > after for view in self.board.slots()
        )

    def leaves(self) -> bool:
        """Whether another worker is leaving, so that it may soon be replaced."""
        others = (view for view in self.board.slots() if view.pid != os.getpid())
        return any(view.state in ("retiring", "draining") for view in others)


_ground: Ground | None = None


def prepare() -> None:
    """Make this process's ground, unless it has one. One that was made before a fork is the other process's."""
    global _ground
    if _ground is None or _ground.pid != os.getpid():
        _ground = Ground()


def here() -> Ground | None:
    """The ground of this process, None if `prepare` was never called in it."""
    return _ground if _ground is not None and _ground.pid == os.getpid() else None
