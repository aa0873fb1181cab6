"""`hotswap restart`: has a server start its next generation, shows how far that is, exits with its outcome."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import time
from collections.abc import Sequence

from hotswap.cli import arguments, restart_starter, restart_words
from hotswap.cli.arguments import seconds_between
from hotswap.cli.exit_status import DONE, FAILED, GOES_ON, INTERRUPTED
from hotswap.cli.find_server import find
from hotswap.cli.hand_over import HandOver, Left
from hotswap.cli.process_handle import Process
from hotswap.cli.restart_outcome import Outcome, Verdict, has_ended, judge
from hotswap.cli.restart_view import RestartView
from hotswap.cli.restart_words import Conclusion, as_json
from hotswap.cli.terminal import say
from hotswap.cli.waiting import LOOK_EVERY, add_waiting_arguments, asking_on
from hotswap.errors import NoSuchServer
from hotswap.lifecycle.states import State
from hotswap.scoreboard import Attempt, Scoreboard
from hotswap.scoreboard.queries import serving

UNDECIDED = (Verdict.WAITING, Verdict.RUNNING)  # of these a --timeout may make the end of the waiting
PATIENCE = 5.0  # seconds that the process to which our signal was passed on may take to begin
COUNTED = 1.2  # seconds after which a generation that serves has written its counters again
SURE = 0.1  # seconds for which a version that has become ready must live to be called a success
MOMENT = 2.0  # seconds for which a server may have no process that serves
HAND_OVER = 10.0  # seconds that an operator is shown how the predecessor hands over; it may go on for longer

DESCRIPTION = (
    "Replace a running server by its next version, and wait for how that goes. Exits with 0 when the new version "
    "serves, with 1 and its error when it does not; then the old one serves on. With 3 when the time of --timeout is "
    "over: the restart goes on, and hotswap status tells how it ends."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `hotswap restart` takes."""
    add_waiting_arguments(parser, "the restart goes on")
    add = parser.add_argument
    add("--no-wait", action="store_true", help="return as soon as the server has the signal")
    add(
        "--probation",
        type=seconds_between(0, 2e6),
        metavar="S",
        help="seconds for which the new version can be taken back, whatever its settings say; 0: not at all",
    )
    add("--json", action="store_true", help="print nothing but one object at the end, for programs to read")
    add(
        "--starter",
        action="store_true",
        help="replace the starter, by that of the hotswap which serves now; pid and server stay",
    )


def main(words: Sequence[str]) -> int:
    """Carry out `hotswap restart WORDS`. Raises NoSuchServer."""
    parser = arguments.parser("restart", DESCRIPTION, add_arguments)
    asked = parser.parse_args(words)
    if asked.starter and (asked.json or asked.no_wait or asked.probation is not None):
        parser.error("--starter is over in a moment: leave --json, --no-wait and --probation out")
    try:
        with contextlib.closing(find(asked.server, asked.run_dir)) as board:
            if asked.starter:
                return restart_starter.run(board, asked.timeout)
            return Restart(board, asked).run()
    except NoSuchServer as error:
        if not asked.json:
            raise
        conclusion = Conclusion(FAILED, restart_words.NO_SERVER, str(error))
        say(json.dumps(as_json(asked.server or "", conclusion, 0.0), indent=2))
        return FAILED


class Restart:
    """One restart, from the signal to its outcome."""

    def __init__(self, board: Scoreboard, asked: argparse.Namespace) -> None:
        self._board = board
        self._asked = asked
        self._view = RestartView(is_quiet=asked.json)
        self._hand_over = HandOver(board.slots())
        self._asked_ns = self._heard_ns = time.monotonic_ns()

    def run(self) -> int:
        """Signal the server, wait for the outcome, tell it; return the exit status.

        Raises NoSuchServer if no process serves.
        """
        who = self._who_serves()
        with self._signal() as process:
            try:
                self._view.begin(f"restarting {self._board.name}: {who}")
                conclusion = self._conclude(process)
            except KeyboardInterrupt:
                sentence = "not waited for, the restart goes on: see hotswap status"
                conclusion = Conclusion(INTERRUPTED, restart_words.INTERRUPTED, sentence)
        self._view.end(self._waited)
        self._say(conclusion)
        if self._view.is_live and conclusion.status == DONE and conclusion.outcome.attempt is not None:
            self._show_hand_over(conclusion.outcome.attempt.generation)
        return conclusion.status

    def _wish_probation(self) -> None:
        """Before the signal: it is read when the restart begins."""
        if self._asked.probation is None:
            return
        with asking_on(self._board):
            self._board.wish_probation(self._asked.probation)

    def _signal(self) -> Process:
        self._wish_probation()
        until = time.monotonic() + MOMENT
        while True:
            for view in serving(self._board):
                process = Process(view.pid)
                if process.send(signal.SIGHUP, self._board):
                    return process
                process.close()
            if time.monotonic() > until or not self._will_serve():
                break
            time.sleep(LOOK_EVERY)
        raise NoSuchServer(f"no process serves as {self._board.name} that could be restarted: see hotswap status")

    def _will_serve(self) -> bool:
        """Whether a process boots, or is about to serve again because its successor has just died."""
        return any(view.retires or view.state == State.BOOTING.value for view in self._board.slots())

    def _wait(self, process: Process) -> Outcome:
        """Read the scoreboard until the restart has an outcome, or the time is up."""
        while True:
            # In this order: see judge().
            views = self._board.slots()
            outcome = judge(self._asked_ns, process.pid, views, self._board.attempts())
            if outcome.verdict in UNDECIDED:
                self._heard_ns = time.monotonic_ns()
            elif outcome.verdict is not Verdict.PASSED_ON or seconds_since(self._heard_ns) > PATIENCE:
                return outcome
            if self._is_too_late():
                return outcome
            self._view.step(outcome, process.pid, self._waited)
            process.rest(LOOK_EVERY)

    @property
    def _waited(self) -> float:
        """Seconds since the server was asked."""
        return seconds_since(self._asked_ns)

    def _is_too_late(self) -> bool:
        return self._asked.timeout is not None and self._waited >= self._asked.timeout

    # the outcome

    def _conclude(self, process: Process) -> Conclusion:
        if self._asked.no_wait:
            sentence = f"pid {process.pid} has the signal: see hotswap status for how that goes"
            return Conclusion(DONE, restart_words.SIGNALLED, sentence)
        outcome = self._wait(process)
        if outcome.verdict is Verdict.SUCCEEDED and outcome.attempt is not None:
            return self._conclude_success(outcome, outcome.attempt)
        sentence = f"{restart_words.failure(outcome, process.pid, self._waited)}; {self._who_serves()}"
        if outcome.verdict in UNDECIDED:
            return Conclusion(GOES_ON, restart_words.TIMEOUT, sentence, outcome)
        return Conclusion(FAILED, outcome.verdict.value, sentence, outcome, self._error(outcome))

    def _conclude_success(self, outcome: Outcome, new: Attempt) -> Conclusion:
        """It became ready; whether it still is there is looked at for a moment, for a version that dies at once."""
        took = (new.ended_ns - self._asked_ns) / 1e9
        if not self._ends_at_once(new):
            sentence = restart_words.success(new, took, wished=bool(self._asked.probation))
            return Conclusion(DONE, outcome.verdict.value, sentence, outcome)
        until = time.monotonic() + MOMENT
        # Its predecessor, or the starter, is about to see that.
        while not serving(self._board) and time.monotonic() < until and self._will_serve():
            time.sleep(LOOK_EVERY)
        return Conclusion(
            FAILED, Verdict.ENDED.value, f"{restart_words.ended(new, took)}; {self._who_serves()}", outcome
        )

    def _ends_at_once(self, new: Attempt) -> bool:
        until = time.monotonic() + SURE
        while not (ended := has_ended(new, self._board.slots())) and time.monotonic() < until:
            time.sleep(LOOK_EVERY)
        return ended

    def _error(self, outcome: Outcome) -> str:
        if outcome.verdict is not Verdict.FAILED or outcome.attempt is None:
            return ""
        number, text = self._board.last_failure()
        return text.rstrip() if number == outcome.attempt.number else ""

    def _say(self, conclusion: Conclusion) -> None:
        if self._asked.json:
            self._say_json(conclusion)
            return
        if conclusion.error:
            say(conclusion.error, sys.stderr)
        if conclusion.status == DONE:
            say(conclusion.sentence)
        else:
            say(f"hotswap restart: {conclusion.sentence}", sys.stderr)

    def _say_json(self, conclusion: Conclusion) -> None:
        new = conclusion.outcome.attempt
        left = self._left(new.generation) if new is not None and conclusion.status == DONE else None
        views = serving(self._board)
        serves = views[0] if views else None
        facts = as_json(self._board.name, conclusion, self._waited, serves, self._view.stages, left)
        say(json.dumps(facts, indent=2))

    # the predecessor

    def _show_hand_over(self, generation: int) -> None:
        """Show what moves, until all has, or what is left takes its time. The restart has succeeded: Ctrl-C ends only
        the watching."""
        with contextlib.suppress(KeyboardInterrupt):
            began_ns = over_ns = time.monotonic_ns()
            while not self._is_handed_over(left := self._left(generation), over_ns):
                watched = seconds_since(began_ns)
                if watched >= HAND_OVER or self._is_too_late():
                    break
                if not left.is_over:
                    over_ns = time.monotonic_ns()
                self._view.hand_over(left, watched)
                time.sleep(LOOK_EVERY)
        self._view.done()
        say(restart_words.left(self._left(generation)))

    def _is_handed_over(self, left: Left, over_ns: int) -> bool:
        return left.is_over and (not self._hand_over.is_unsure or seconds_since(over_ns) > COUNTED)

    def _left(self, generation: int) -> Left:
        return self._hand_over.look(self._board.slots(), generation)

    def _who_serves(self) -> str:
        return restart_words.who_serves(serving(self._board))


def seconds_since(moment_ns: int) -> float:
    """Return the seconds that have passed since a moment of time.monotonic_ns()."""
    return (time.monotonic_ns() - moment_ns) / 1e9
