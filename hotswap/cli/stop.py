"""`hotswap stop`: has a server finish what it serves and leave, and waits until no process serves."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Sequence

from hotswap.cli import arguments
from hotswap.cli.exit_status import DONE, FAILED, INTERRUPTED
from hotswap.cli.find_server import find
from hotswap.cli.process_handle import Process
from hotswap.cli.terminal import Progress, say
from hotswap.cli.waiting import LOOK_EVERY, add_waiting_arguments
from hotswap.scoreboard import LINGERING, Scoreboard, SlotView

PATIENCE = 2.0  # seconds that --now leaves a program for what it does after serve()

DESCRIPTION = (
    "Let a running server finish what it serves, and wait until it is gone. Long responses of a generation that a "
    "restart has replaced may go on after that. With --now what runs is cut, in every generation."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `hotswap stop` takes."""
    add_waiting_arguments(parser, "the stop goes on")
    parser.add_argument("--now", action="store_true", help="cut what runs, also in a server that stops already")


def main(words: Sequence[str]) -> int:
    """Carry out `hotswap stop WORDS`. Raises NoSuchServer."""
    asked = arguments.parser("stop", DESCRIPTION, add_arguments).parse_args(words)
    with contextlib.closing(find(asked.server, asked.run_dir)) as board:
        return Stop(board, asked.timeout, now=asked.now).run()


class Stop:
    """One stop. A server may be in the middle of a restart, so a process that begins to serve later is told as well."""

    def __init__(self, board: Scoreboard, timeout: float | None, *, now: bool) -> None:
        self._board = board
        self._now = now
        self._name = board.name
        self._timeout = timeout
        self._progress = Progress()
        self._asked = time.monotonic()
        # Pid to the moment at which its state began when it was told: one that serves *again* must be told again.
        self._told: dict[int, float] = {}

    def run(self) -> int:
        """Signal the server and wait until it is gone; return the exit status."""
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
        retiring = [view for view in self._board.slots() if view.retires]
        if retiring:
            say(f"replaced earlier, and still finishing: {in_words(retiring)}")
        return DONE

    def _wait(self) -> list[SlotView]:
        """Wait until no process is left, but for those that may retire; if the time is up, return those that are."""
        while True:
            left = [view for view in self._board.everyone() if self._now or not view.retires]
            waited = time.monotonic() - self._asked
            if not left or (self._timeout is not None and waited >= self._timeout):
                return left
            self._progress.step(f"stopping {self._name}: {in_words(left)}", waited)
            with Process(left[0].pid) as process:
                self._tell(left)
                process.rest(LOOK_EVERY)

    def _tell(self, left: Sequence[SlotView]) -> None:
        # Not before all others are gone: one that becomes the starter passes the signal on, to what may end by it.
        only_replaced = all(view.is_replaced for view in left if view.role == "server")
        for view in left:
            number = signal_for(view, time.time(), now=self._now)
            if view.is_replaced and not only_replaced:
                continue
            if number is not None and self._told.get(view.pid) != view.since:
                with Process(view.pid) as process:
                    if process.send(number, self._board, self._is_still(view.state)):
                        self._told[view.pid] = view.since

    @staticmethod
    def _is_still(state: str) -> Callable[[SlotView], bool]:
        """The signal for one state may kill a process that is in another."""
        return lambda view: view.state == state


def signal_for(view: SlotView, at: float, *, now: bool) -> signal.Signals | None:
    """Return the signal that has a process leave, `now` or when it is through; None if it needs or may have none.

    One that boots has no handlers yet, and is told when it serves. One that lingers has given them back: after a while
    (`at` is the Unix time) SIGTERM ends it, in whatever its program does after `serve()`.
    """
    if view.state == LINGERING:
        return signal.SIGTERM if now and at - view.since > PATIENCE else None
    if not now:
        return signal.SIGTERM if view.serves else None
    leaves = view.role == "server" and (view.is_replaced or view.drains)
    return signal.SIGQUIT if view.serves or leaves else None


def in_words(views: Sequence[SlotView]) -> str:
    """Return the processes with their states, as in "generation 2 (pid 77) draining"."""
    return ", ".join(f"{view.named} {view.state}{f' ({view.held_by})' if view.held_by else ''}" for view in views)
