"""Shows a restart under way: on a terminal a line for each stage with its time and a bar at the end, else plain lines.

docker compose and kamal do the same: a line that changes is for people, and a log gets a line for each step.
"""

from __future__ import annotations

import sys
from typing import TextIO

from hotswap.cli.hand_over import Left
from hotswap.cli.progress_bar import bar, marks_for
from hotswap.cli.restart_outcome import Outcome
from hotswap.cli.restart_words import left, signalled, stage, stage_line, step, under_way
from hotswap.cli.stage_times import StageTime, StageTimes
from hotswap.cli.terminal import Progress, is_live, say

_BAR_WIDTH = 24


class RestartView:
    """Shows what is new. `is_quiet`: nothing, for --json; the stages are taken down all the same."""

    def __init__(self, file: TextIO | None = None, *, is_quiet: bool = False) -> None:
        self._file = sys.stdout if file is None else file
        self._is_quiet = is_quiet
        self._progress = Progress(self._file)
        self._times = StageTimes()
        #: whether a person is looking, who can be shown more as it comes
        self.is_live = is_live(self._file) and not is_quiet

    @property
    def stages(self) -> list[StageTime]:
        """The stages that have ended."""
        return self._times.ended

    def begin(self, words: str) -> None:
        """Show what is about to happen."""
        if self.is_live:
            say(words, self._file)

    def step(self, outcome: Outcome, pid: int, seconds: float) -> None:
        """Show how far the restart is, for which `pid` has the signal, `seconds` after the signal."""
        now = stage(outcome, pid)
        self._ended(self._times.enter(now, seconds))
        if self.is_live:
            self._progress.line(under_way(self._times.lasted(seconds), now))
        elif not self._is_quiet:
            # Not the moment between: "generation 2: starting" would be followed by the same with a pid.
            begun = outcome.attempt is not None and outcome.attempt.pid
            self._progress.step(step(outcome, pid) if begun else signalled(pid), seconds)

    def end(self, seconds: float) -> None:
        """The restart has an outcome, or is not waited for any longer."""
        self._ended(self._times.end(seconds))
        self._progress.done()

    def hand_over(self, what: Left, seconds: float) -> None:
        """Show how far the predecessor is, which has been handing over for `seconds`."""
        drawn = bar(what.moved, what.moved + what.connections, _BAR_WIDTH, marks_for(self._file))
        self._progress.line(under_way(seconds, f"{drawn}  {left(what)}"))

    def done(self) -> None:
        """Erase the line that changes."""
        self._progress.done()

    def _ended(self, over: StageTime | None) -> None:
        if over is not None and self.is_live:
            self._progress.done()
            say(stage_line(over), self._file)
