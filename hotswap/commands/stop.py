"""`hotswap stop`: have whoever serves finish and leave, and wait until nobody does."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Sequence

from hotswap.commands.find import find
from hotswap.commands.output import Progress, say
from hotswap.commands.process import Process, is_serving
from hotswap.commands.waiting import DONE, FAILED, INTERRUPTED, LOOK_EVERY, asked
from hotswap.system.scoreboard import Scoreboard, SlotView


def main(arguments: Sequence[str]) -> int:
    """Carry out `hotswap stop ARGUMENTS`. Raises NoSuchServer."""
    given = asked(
        "stop",
        "Let a running server finish what it serves, and wait until it is gone. Long responses "
        "of a generation that a restart has replaced may go on after that.",
        arguments,
    )
    with contextlib.closing(find(given.server, given.run_dir)) as board:
        return Stop(board, given.timeout).run()


class Stop:
    """One stop: a server may be in the middle of a restart, so whoever serves next is told as well."""

    def __init__(self, board: Scoreboard, timeout: float | None) -> None:
        self._board = board
        self._name = board.name
        self._timeout = timeout
        self._progress = Progress()
        self._asked = time.monotonic()
        # The moment a process began to serve, by its pid: one that serves *again* must be told again.
        self._told: dict[int, float] = {}

    def run(self) -> int:
        """Signal and wait; returns the exit status."""
        try:
            left = self._wait()
        except KeyboardInterrupt:
            self._progress.done()
            say("hotswap stop: not waited for, the stop goes on: see hotswap status", sys.stderr)
            return INTERRUPTED
        self._progress.done()
        if left:
            say(f"hotswap stop: not waited for any longer, the stop goes on ({in_words(left)})", sys.stderr)
            return FAILED
        say(f"{self._name} is stopped, after {time.monotonic() - self._asked:.2f} s")
        retiring = [view for view in self._board.slots() if view.state == "retiring"]
        if retiring:
            say(f"replaced earlier, and still finishing: {in_words(retiring)}")
        return DONE

    def _wait(self) -> list[SlotView]:
        """Wait until nobody is left who serves, is about to, or drains; returns who is, if the time is up."""
        while True:
            left = [view for view in self._board.slots() if view.state != "retiring"]
            waited = time.monotonic() - self._asked
            if not left or (self._timeout is not None and waited >= self._timeout):
                return left
            self._progress.step(f"stopping {self._name}: {in_words(left)}", waited)
            with Process(left[0].pid) as process:
                self._tell(left)
                process.rest(LOOK_EVERY)

    def _tell(self, left: Sequence[SlotView]) -> None:
        for view in left:
            if is_serving(view) and self._told.get(view.pid) != view.since:
                with Process(view.pid) as process:
                    if process.send(signal.SIGTERM, self._board):
                        self._told[view.pid] = view.since


def in_words(views: Sequence[SlotView]) -> str:
    """Return processes with their states, as in "generation 2 (pid 77) draining"."""
    return ", ".join(f"generation {view.generation} (pid {view.pid}) {view.state}" for view in views)
