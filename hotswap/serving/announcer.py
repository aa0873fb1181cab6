"""What others see of a generation: its slot on the scoreboard, process title, pid file, and what systemd is told."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from hotswap.lifecycle.states import State
from hotswap.restart.starter_link import StarterLink
from hotswap.restart.starter_messages import RELEASED, STOPPED
from hotswap.scoreboard import LINGERING, Slot, SlotView
from hotswap.serving.service_manager import ServiceManager
from hotswap.system import process_title
from hotswap.system.pidfile import PidFile

#: A generation serves at most so long after its pid file named it (seconds); nearly always it is milliseconds.
SERVES_WITHIN = 5.0


class Nameplate(NamedTuple):
    """Who this generation is. starter_pid: of the process that stays, for which pid files and systemd look; 0 if there
    is none."""

    name: str
    generation: int
    starter_pid: int


class Announcer:
    """Says the same thing everywhere, in the order in which it becomes true."""

    def __init__(
        self, who: Nameplate, slot: Slot, pidfile: PidFile | None, systemd: ServiceManager, link: StarterLink
    ) -> None:
        self._name = who.name
        self._generation = who.generation
        self._starter_pid = who.starter_pid
        #: the pid that outsiders know the server by
        self._pid = who.starter_pid or os.getpid()
        self._link = link
        self._slot = slot
        self._pidfile = pidfile
        self.systemd = systemd
        self._where = ""
        #: when the pid file was made to name us (Unix time)
        self._named = 0.0

    def prepare(self, where: str) -> None:
        """Write the pid file aside: of all that can fail, only the rename is left. Raises SettingError."""
        self._where = where
        if self._pidfile is not None:
            self._pidfile.prepare(self._pid)

    def show(self, state: State, busy: int = 0) -> None:
        """Slot first: it is what other processes decide by; the title is for people, `[draining 3]` tells it."""
        self._slot.set_state(state.shown)
        # To the starter it is one word, also to one of a release that has no probation: this generation may be the
        # server again.
        self._link.show((State.RETIRING if state is State.PARKED else state).shown)
        words = f"{state.shown} {busy}" if busy else state.shown
        process_title.show(self._name, self._generation, words, self._where)

    def lame_duck(self, *, tells_health: bool) -> None:
        """Other processes count on this one as before."""
        self._slot.mark_lame_duck(tells_health=tells_health)
        process_title.show(self._name, self._generation, "lame duck", self._where)

    def lingers(self) -> None:
        """Its slot says already that this process serves no more and has not ended: title only."""
        process_title.show(self._name, self._generation, LINGERING, self._where)

    def take_pidfile(self) -> None:
        """This generation is about to accept: the pid file names it from now on. Raises SettingError if the rename
        fails, be it that the directory is gone or has become read-only.

        Before the first client is accepted, which that would cost. Should we end in between, our predecessor makes the
        file name itself again.
        """
        if self._pidfile is not None:
            self._pidfile.commit()
            self._named = time.time()

    def main_process(self) -> None:
        """Tell systemd that this process is ready, where no predecessor is left that could."""
        self.handed_to(self._pid, self._generation)

    def restart_failed(self, text: str) -> None:
        """`systemctl reload` waits for READY, also when there is nothing new to be ready.

        With MAINPID, because we may have named a successor that is gone.
        """
        # What happened, and the last line of the rest: of a traceback that is the error itself.
        lines = text.strip().splitlines() or ["no reason given"]
        reason = ": ".join(dict.fromkeys((lines[0], lines[-1].strip())))
        self.systemd.serves(self._pid, f"restart failed, generation {self._generation} serves on: {reason}")

    def handed_to(self, pid: int, generation: int) -> None:
        """Tell systemd that the successor is its main process now: systemd hears only the one that it knew as such."""
        self.systemd.serves(self._starter_pid or pid, f"generation {generation} serves {self._where}")

    def replaced(self) -> None:
        """Another generation serves. If the pid file still names us, a deploy has given its path up: away with it now,
        not when the last long response is through."""
        if self._pidfile is not None and not self._starter_pid:
            self._pidfile.remove()

    def released(self) -> None:
        """This generation cannot serve again."""
        self._link.show(RELEASED)

    def left_to(self, other: SlotView) -> None:
        """A generation serves that is not our successor. If it had written its pid when we wrote ours, ours may stand
        in the place of its own, which it writes once; else all is as with a successor. Raises SettingError.
        """
        self.handed_to(other.pid, other.generation)
        if self._pidfile is not None and other.since < self._named + SERVES_WITHIN and not self._starter_pid:
            self._pidfile.hand_to(other.pid)
        else:
            self.replaced()

    def taken_back(self) -> None:
        """We serve again: the pid file must not name a process that is gone."""
        if self._pidfile is not None:
            self._pidfile.take_back(self._pid)
            self._named = time.time()

    def stopped(self, successor: int = 0) -> None:
        """No process serves any more. `successor` is the pid of one that was stopped with us, 0 for none: it may
        have put its pid into the file."""
        self._link.show(STOPPED)
        if self._pidfile is not None:
            self._pidfile.remove(successor)
