"""`hotswap restart`: start the next generation, show how it goes, and tell by the exit status how it went."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Sequence

from hotswap.commands.find import find, serving
from hotswap.commands.outcome import Outcome, Verdict, judge
from hotswap.commands.output import Progress, say
from hotswap.commands.process import Process
from hotswap.commands.waiting import DONE, FAILED, INTERRUPTED, LOOK_EVERY, asked
from hotswap.errors import NoSuchServer
from hotswap.system.scoreboard import Scoreboard

PATIENCE = 5.0  # seconds that a process which was passed our signal on may take to begin


def main(arguments: Sequence[str]) -> int:
    """Carry out `hotswap restart ARGUMENTS`. Raises NoSuchServer."""
    given = asked(
        "restart",
        "Replace a running server by its next version, and wait for how that goes. Exits with 0 "
        "when the new version serves, with 1 and its error when it does not; then the old one serves on.",
        arguments,
    )
    with contextlib.closing(find(given.server, given.run_dir)) as board:
        return Restart(board, given.timeout).run()


class Restart:
    """One restart, from the signal to its outcome."""

    def __init__(self, board: Scoreboard, timeout: float | None) -> None:
        self._board = board
        self._timeout = timeout
        self._progress = Progress()
        self._asked_ns = self._heard_ns = time.monotonic_ns()

    def run(self) -> int:
        """Signal, wait, tell; returns the exit status. Raises NoSuchServer if nobody serves."""
        with self._signal() as process:
            try:
                outcome = self._wait(process)
            except KeyboardInterrupt:
                self._progress.done()
                say("hotswap restart: not waited for, the restart goes on: see hotswap status", sys.stderr)
                return INTERRUPTED
        self._progress.done()
        return self._tell(outcome, process.pid)

    def _signal(self) -> Process:
        for view in serving(self._board):
            process = Process(view.pid)
            if process.send(signal.SIGHUP, self._board):
                return process
            process.close()
        raise NoSuchServer(f"nobody serves as {self._board.name} that could be restarted: see hotswap status")

    def _wait(self, process: Process) -> Outcome:
        """Look until there is something to tell, or the time is up."""
        while True:
            # In this order: see judge().
            views = self._board.slots()
            outcome = judge(self._asked_ns, process.pid, views, self._board.attempts())
            if outcome.verdict in (Verdict.WAITING, Verdict.RUNNING):
                self._heard_ns = time.monotonic_ns()
            elif outcome.verdict is not Verdict.PASSED_ON or seconds_since(self._heard_ns) > PATIENCE:
                return outcome
            waited = seconds_since(self._asked_ns)
            if self._timeout is not None and waited >= self._timeout:
                return outcome
            self._progress.step(step(outcome, process.pid), waited)
            process.rest(LOOK_EVERY)

    def _tell(self, outcome: Outcome, pid: int) -> int:
        if outcome.verdict is Verdict.SUCCEEDED and outcome.attempt is not None:
            took = (outcome.attempt.ended_ns - self._asked_ns) / 1e9
            new = outcome.attempt
            say(f"generation {new.generation} (pid {new.pid}) serves, after {took:.2f} s")
            return DONE
        if outcome.verdict is Verdict.FAILED and outcome.attempt is not None:
            number, text = self._board.last_failure()
            if number == outcome.attempt.number and text.strip():
                say(text.rstrip(), sys.stderr)
        say(f"hotswap restart: {self._sentence(outcome, pid)}; {who_serves(self._board)}", sys.stderr)
        return FAILED

    def _sentence(self, outcome: Outcome, pid: int) -> str:
        waited = f"{seconds_since(self._asked_ns):.2f} s"
        match outcome.verdict:
            case Verdict.FAILED:
                return f"the restart failed after {waited}"
            case Verdict.ORPHANED:
                return f"pid {pid} ended while its successor was booting"
            case Verdict.PASSED_ON:
                return f"pid {pid} ended before it began the restart"
            case Verdict.STOPPING:
                return f"pid {pid} was stopped before it began the restart"
            case _:
                return f"not waited for any longer than {waited}, the restart goes on ({step(outcome, pid)})"


def step(outcome: Outcome, pid: int) -> str:
    """Return the words for what is being waited for."""
    attempt = outcome.attempt
    if attempt is None:
        return f"pid {pid} has the signal"
    whose = f" (pid {attempt.pid})" if attempt.pid else ""
    return f"generation {attempt.generation}{whose}: {attempt.stage}"


def who_serves(board: Scoreboard) -> str:
    """Return who serves now, in words."""
    views = serving(board)
    return f"generation {views[0].generation} (pid {views[0].pid}) serves" if views else "nobody serves"


def seconds_since(moment_ns: int) -> float:
    """Return the seconds that have passed since a moment of time.monotonic_ns()."""
    return (time.monotonic_ns() - moment_ns) / 1e9
