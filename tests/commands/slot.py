"""A process with a slot on a scoreboard: does what standard input tells it, and reports its signals.

    python slot.py new RUN_DIR NAME GENERATION      makes the board
    python slot.py join PATH GENERATION             takes a slot on it

Commands, one a line: `state STATE`, `update COUNTER=N ...`, `begin GENERATION`, `pid PID`, `stage TEXT`,
`end ok PID GENERATION`, `end failed TEXT`, `deployed GENERATION`, `leave`. After each it prints `done`.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from types import FrameType

from hotswap.scoreboard import Deployment, Scoreboard


def say(text: str) -> None:
    """Print a line in one write: a handler may print in between."""
    os.write(1, f"{text}\n".encode())


def on_signal(number: int, frame: FrameType | None) -> None:
    """Report it."""
    say(signal.Signals(number).name)


def report_signals() -> None:
    """All that a command may send."""
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1):
        signal.signal(number, on_signal)


def take_board(how: str, *where: str) -> Scoreboard:
    """Make the board, or open the one that is there."""
    return Scoreboard.create(*where) if how == "new" else Scoreboard.from_fd(os.open(where[0], os.O_RDWR))


def stand_in(board: Scoreboard, generation: int) -> None:
    """Take a slot for a successor that the test does not start: the command looks whether it lives."""
    if all(view.generation != generation for view in board.slots()):
        board.take_slot(generation, "server").set_state("retiring")


def main() -> None:
    """Take a slot, show "serving", obey."""
    *board_arguments, generation = sys.argv[1:]
    board = take_board(*board_arguments)
    slot = board.take_slot(int(generation), "server")
    report_signals()
    slot.set_state("serving")
    attempt = 0
    say(str(board.path))
    for line in itertools.takewhile("leave\n".__ne__, sys.stdin):
        match line.split():
            case ["state", state]:
                slot.set_state(state)
            case ["update", *counters]:
                slot.update(**{name: int(value) for name, _, value in (item.partition("=") for item in counters)})
            case ["begin", successor]:
                attempt = board.begin_attempt(int(successor))
            case ["pid", pid]:
                board.attempt_pid(attempt, int(pid))
            case ["stage", *words]:
                board.attempt_stage(attempt, " ".join(words))
            case ["end", "ok", pid, successor]:
                stand_in(board, int(successor))
                board.end_attempt(attempt, True, int(pid), int(successor))
            case ["end", "failed", *words]:
                board.end_attempt(attempt, False, text=" ".join(words).replace("\\n", "\n"))
            case ["deployed", served]:
                board.deployed(Deployment(int(served), 1.0, "9.9", "/srv", "/srv/r1", ("http://127.0.0.1:1",)))
        say("done")


if __name__ == "__main__":
    main()
