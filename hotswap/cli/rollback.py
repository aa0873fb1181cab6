"""`hotswap rollback`: has the generation that is parked serve again, and waits until the one on probation has left."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence

from hotswap.cli import arguments
from hotswap.cli.exit_status import DONE, FAILED, GOES_ON, INTERRUPTED
from hotswap.cli.find_server import find
from hotswap.cli.rollback_outcome import RollbackVerdict, judge, parked_for, why_not
from hotswap.cli.terminal import Progress, say
from hotswap.cli.waiting import LOOK_EVERY, add_waiting_arguments, asking_on
from hotswap.scoreboard import Attempt, Scoreboard, SlotView

DESCRIPTION = (
    "Put the old version of a server back in service, as long as the new one is on probation (probation=SECONDS): the "
    "process that was parked serves at once, the new one hands its connections over and leaves. No client notices. "
    "Exits with 0 when that is done, with 1 and the reason when it cannot be; with 3 when the time of --timeout is up."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `hotswap rollback` takes."""
    add_waiting_arguments(parser, "the rollback goes on")


def main(words: Sequence[str]) -> int:
    """Carry out `hotswap rollback WORDS`. Raises NoSuchServer."""
    asked = arguments.parser("rollback", DESCRIPTION, add_arguments).parse_args(words)
    with contextlib.closing(find(asked.server, asked.run_dir)) as board:
        return Rollback(board, asked.timeout).run()


class Rollback:
    """One rollback, from the wish on the scoreboard to its outcome. It needs no signal: the parked process looks there
    all the time, and a wish that comes too late means nothing to any other."""

    def __init__(self, board: Scoreboard, timeout: float | None) -> None:
        self._board = board
        self._timeout = timeout
        self._progress = Progress()
        self._asked = time.monotonic()

    def run(self) -> int:
        """Ask, wait, tell; return the exit status. Raises NoSuchServer if this user may not ask."""
        # In this order: a process that enters an outcome and leaves in between would seem to have left without one.
        views = self._board.slots()
        attempts = self._board.attempts()
        found = parked_for(views, attempts)
        if found is None:
            say(f"hotswap rollback: {why_not(views, attempts)}", sys.stderr)
            return FAILED
        attempt, parked = found
        with asking_on(self._board):
            self._board.ask_rollback(attempt.number)
        try:
            verdict = self._wait(attempt, parked)
        except KeyboardInterrupt:
            self._progress.done()
            say("hotswap rollback: not waited for, the rollback goes on: see hotswap status", sys.stderr)
            return INTERRUPTED
        self._progress.done()
        return self._tell(verdict, attempt, parked)

    def _wait(self, attempt: Attempt, parked: SlotView) -> RollbackVerdict:
        while True:
            views = self._board.slots()
            verdict = judge(attempt.number, parked.pid, views, self._board.attempts())
            waited = time.monotonic() - self._asked
            if verdict is not RollbackVerdict.RUNNING or (self._timeout is not None and waited >= self._timeout):
                return verdict
            self._progress.step(f"rolling back to generation {parked.generation}", waited)
            time.sleep(LOOK_EVERY)

    def _tell(self, verdict: RollbackVerdict, attempt: Attempt, parked: SlotView) -> int:
        took = f"{time.monotonic() - self._asked:.2f} s"
        old, new = parked.named, f"generation {attempt.generation}"
        if verdict is RollbackVerdict.DONE:
            say(f"{old} serves again, after {took}; {new} (pid {attempt.pid}) has handed over")
            return DONE
        sentences = {
            RollbackVerdict.RUNNING: f"not waited for any longer than {took}, the rollback goes on",
            RollbackVerdict.TOO_LATE: f"too late: the probation of {new} is over, and it serves",
            RollbackVerdict.ENDED: f"{old} has ended, and cannot serve again",
            RollbackVerdict.STOPPED: "the server was stopped meanwhile",
        }
        say(f"hotswap rollback: {sentences[verdict]}: see hotswap status", sys.stderr)
        return GOES_ON if verdict is RollbackVerdict.RUNNING else FAILED
