"""What others see of a generation: its slot on the scoreboard, process title, pid file, and what systemd is told."""

from __future__ import annotations

import os

from hotswap.lifecycle.states import State
from hotswap.system import title
from hotswap.system.notify import Notifier
from hotswap.system.pidfile import PidFile
from hotswap.system.scoreboard import Slot


class Presence:
    """Says the same thing everywhere, in the order in which it becomes true."""

    def __init__(
        self, name: str, generation: int, slot: Slot, pidfile: PidFile | None, notifier: Notifier | None
    ) -> None:
        self._name = name
        self._generation = generation
        self._slot = slot
        self._pidfile = pidfile
        self._notifier = notifier
        self._where = ""

    def prepare(self, where: str) -> None:
        """Write the pid file aside, so that nothing can fail any more once this generation serves."""
        self._where = where
        if self._pidfile is not None:
            self._pidfile.prepare(os.getpid())

    def show(self, state: State, busy: int = 0) -> None:
        """Slot first: it is what other processes decide by; the title is for people, `[draining 3]` tells it."""
        self._slot.set_state(state.value)
        words = f"{state.value} {busy}" if busy else state.value
        title.show(self._name, self._generation, words, self._where)

    def serving(self) -> None:
        """This generation accepts: the pid file may name it."""
        if self._pidfile is not None:
            self._pidfile.commit()

    def main_process(self) -> None:
        """Nobody before us speaks to systemd any more, so it is we who say that we are ready."""
        if self._notifier is not None:
            self._notifier.ready(mainpid=os.getpid(), status=f"generation {self._generation} serves {self._where}")

    def restarting(self) -> None:
        if self._notifier is not None:
            self._notifier.reloading()

    def restart_failed(self, text: str) -> None:
        """`systemctl reload` waits for READY, also when there is nothing new to be ready.

        With MAINPID, because we may have named a successor that is gone.
        """
        if self._notifier is not None:
            # What happened, and the last line of the rest: of a traceback that is the error itself.
            lines = text.strip().splitlines() or ["no reason given"]
            reason = ": ".join(dict.fromkeys((lines[0], lines[-1].strip())))
            status = f"restart failed, generation {self._generation} serves on: {reason}"
            self._notifier.ready(mainpid=os.getpid(), status=status)

    def handed_to(self, pid: int, generation: int) -> None:
        """Only the main process is heard by systemd, so it is we who say that it is now the successor."""
        if self._notifier is not None:
            self._notifier.ready(mainpid=pid, status=f"generation {generation} serves {self._where}")

    def draining(self) -> None:
        if self._notifier is not None:
            self._notifier.stopping()

    def taken_back(self) -> None:
        """We serve again: the pid file must not name a process that is gone."""
        if self._pidfile is not None:
            self._pidfile.take_back(os.getpid())

    def gone(self, stopped: bool, heir: int = 0) -> None:
        """Nobody serves any more if `stopped`; else the pid file is the successor's already.

        `heir` is the pid of a successor that was stopped with us, and may have put its pid into the file.
        """
        if self._pidfile is not None:
            if stopped:
                self._pidfile.remove(heir)
            self._pidfile.abandon()
