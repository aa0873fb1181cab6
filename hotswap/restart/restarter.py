"""The restarts a generation attempts: at most one at a time, each on the scoreboard from its start to its outcome."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from hotswap.errors import HotswapError
from hotswap.lifecycle.states import Event
from hotswap.restart.attempt import RestartAttempt
from hotswap.restart.successor import UNKNOWN
from hotswap.restart.successor_start import RestartContext, SuccessorStart
from hotswap.restart.this_process import Bootstrap
from hotswap.scoreboard import queries
from hotswap.scoreboard.attempts import ON_PROBATION
from hotswap.settings import Config
from hotswap.system.pidfd import runs


class Restarter:
    """Starts successors and keeps what becomes of them.

    `tell(event)` is how an attempt's news reach the server. `failure` is the text of the last failure.
    """

    def __init__(
        self, bootstrap: Bootstrap, cfg: Config, context: RestartContext, tell: Callable[[Event], object]
    ) -> None:
        self._bootstrap = bootstrap
        self._cfg = cfg
        self._starts = SuccessorStart(bootstrap, cfg, context)
        self._loop = context.loop
        self._log = context.log
        self._board = context.board
        self._tell = tell
        #: of the attempt under way, on the scoreboard
        self._number = 0
        self._highest = bootstrap.generation
        #: what asked for one more restart
        self.remembered: Event | None = None
        self.failure = ""
        self._without_printed = ""
        #: the modules' files of the successor that failed last, as far as it could still tell
        self.failed_files: tuple[str, ...] = ()
        self.current: RestartAttempt | None = None
        #: how the program is started now, and whether it may be started once more without --graceful
        self._program = bootstrap.program
        self._may_try_again = False
        #: whether the attempt's outcome is open although the successor has taken over, and when that was
        self._on_probation = False
        self._taken_over_ns = 0
        #: those that were taken back, and retire to this process
        self._taken_back: list[RestartAttempt] = []

    @property
    def attempt(self) -> RestartAttempt:
        assert self.current is not None, "the table of transitions leads here only with a successor"
        return self.current

    def start(self) -> bool:
        """Start a successor; False, with `failure` set, if that is refused or impossible."""
        self.remembered = None
        self._number, self.failure, self._without_printed, self.failed_files = 0, "", "", ()
        self._program = self._bootstrap.program
        self._may_try_again = self._program.takes_flag
        return self._begin()

    def _begin(self, generation: int = 0) -> bool:
        """Start a process for the attempt, which is a new one if no generation is given."""
        try:
            if not generation:
                generation = self._next_generation()
                self._number = self._board.begin_attempt(generation)
            self._bootstrap.link.starts(generation)
            self.current = self._spawn(generation)
            self._board.attempt_pid(self._number, self.current.successor.pid)
        except HotswapError as error:
            self.failure = str(error)
        except Exception as error:  # noqa: BLE001  whatever it is, the next HUP must find us serving
            self.failure = self._cannot_start(error)
        return not self.failure

    def _begin_again(self, attempt: RestartAttempt) -> bool:
        """Start it once more, without --graceful, if it failed because of that; False if it did not, or cannot be
        started.

        Only that once: what hangs or fails for other reasons would do so again.
        """
        said = attempt.refused_flag() if self._may_try_again else ""
        if not said:
            return False
        self._may_try_again = False
        self._log.info("the program does not know --graceful (%s): starting it once more, without", said)
        self._program = self._program._replace(takes_flag=False)
        self.forget()
        return self._begin(attempt.generation)

    def _next_generation(self) -> int:
        """The number after the highest in use; the successor of a successor that died may still boot, or serve, and so
        may one that the starter has started."""
        in_use = [attempt.generation for attempt in self._board.attempts() if runs(attempt.pid)]
        in_use += [view.generation for view in self._board.slots()]
        return max([self._highest, *in_use]) + 1

    def _cannot_start(self, error: Exception) -> str:
        # subprocess names the directory, if that is what is missing, else the executable.
        where = getattr(error, "filename", None) or self._bootstrap.program.executable
        is_gone = isinstance(error, FileNotFoundError)
        remedy = ": put it back, or start the server anew from a path that stays" if is_gone else ""
        return f"cannot start a successor ({getattr(error, 'strerror', None) or error}: {where}){remedy}"

    def _spawn(self, generation: int) -> RestartAttempt:
        successor = self._starts.start(self._program, generation, self._number)
        return RestartAttempt(successor, generation, self._loop, float(self._cfg.boot_timeout), self)

    def on_news(self, event: Event) -> None:
        """An attempt's news: keep what is known of a failure, and tell the server; unless it is started once more."""
        if event is Event.FAILED and self.current is not None and self._begin_again(self.current):
            return
        if event in (Event.FAILED, Event.TERMINATED) and self.current is not None:
            self.failure = self.current.why()
            self._without_printed = self.current.why(printed_above=True) if self._log.is_plain_stderr else ""
            self.failed_files = self.current.successor.news.files
        self._tell(event)

    @property
    def logged_failure(self) -> str:
        """The last failure for the log, where what the successor has printed need not stand twice."""
        return self._without_printed or self.failure

    def stage(self, name: str) -> None:
        """Put what the successor does now on the scoreboard, for `hotswap restart` to show."""
        self._board.attempt_stage(self._number, name)

    def remember(self, asked: Event = Event.HUP) -> None:
        """One more restart, when the one under way is through; or should this generation serve again.

        Of HUP and USR2 the latter counts: whichever came first, its sender goes on to tell this process to end.
        """
        if self.remembered is not Event.USR2:
            self.remembered = asked

    def poll(self) -> None:
        """Read the ready pipe now."""
        if self.current is not None:
            self.current.poll()

    def end_orphaned(self, number: int) -> None:
        """We serve, and the process is gone that began our attempt and would say so: it has come to a good end."""
        self._board.end_attempt(number, True, os.getpid(), self._bootstrap.generation)

    def ready(self) -> RestartAttempt:
        """The successor is ready. A HUP that it remembers itself need not be passed on a second time."""
        self.stage("ready")
        if self.attempt.takeover.hup:
            self.remembered = None
        return self.attempt

    @property
    def number(self) -> int:
        """The number of the attempt on the scoreboard."""
        return self._number

    @property
    def probation_s(self) -> float:
        """For how long the successor can be taken back (seconds): its settings say it, or who has asked for the
        restart."""
        takeover = self.attempt.takeover
        if takeover.probation is None or not takeover.on_board:
            return 0.0
        wished = self._board.wished_probation(self._number)
        return takeover.probation if wished is None else wished

    def succeeded(self, probation_s: float = 0.0) -> None:
        """The successor has taken over. On probation the attempt has no outcome yet: `proven` or `failed` follows."""
        attempt = self.attempt
        attempt.settled()
        # Should this generation serve again, and start another.
        self._bootstrap.program = self._bootstrap.program._replace(takes_flag=self._program.takes_flag)
        self._highest = attempt.generation
        self._on_probation = probation_s > 0
        self._taken_over_ns = time.monotonic_ns()
        if self._on_probation:
            self.stage(f"{ON_PROBATION} for {probation_s:g} s")
        else:
            self._board.end_attempt(self._number, True, attempt.successor.pid, attempt.generation)

    def proven(self) -> None:
        """The probation is over. If the server was stopped meanwhile, that is the outcome, which is there already.

        The restart has taken until the successor has taken over.
        """
        self._on_probation = False
        if any(attempt.number == self._number and not attempt.outcome for attempt in self._board.attempts()):
            self._board.end_attempt(self._number, True, at_ns=self._taken_over_ns)

    def failed(self) -> str:
        """The attempt is over; returns why."""
        pid = self.current.successor.pid if self.current is not None else 0
        self._board.end_attempt(self._number, False, pid, self._highest, self.failure)
        self.forget()
        return self.failure

    def lost(self) -> None:
        """The process that had taken over died: that too is kept as a failed attempt."""
        if not self._on_probation:
            self._number = self._board.begin_attempt(self._highest)
        when = "while it was on probation" if self._on_probation else "just after it had taken over"
        self._on_probation, self._without_printed = False, ""
        if self.current is None:
            self.failure = "the generation that served in the place of this one is gone"
            return
        self.failure = f"{self.attempt.successor.how_it_ended()} {when}"

    def take_back(self, why: str) -> None:
        """The successor lives, and retires to this process: for that reason the attempt has failed."""
        self.remembered, self._on_probation = None, False
        self.failure, self._without_printed = why, ""
        self._taken_back = [attempt for attempt in self._taken_back if not attempt.successor.exited()]
        if self.current is not None:
            self.current.let_retire()
            self._taken_back.append(self.current)
            self.current = None

    def stop(self) -> None:
        """Stop the successor too; SIGTERM ends a booting process and drains one that serves already."""
        pid = self.attempt.successor.pid
        self._may_try_again = False
        self._log.info("stopping the successor (pid %d) too", pid)
        self._board.end_attempt(self._number, False, pid, self._highest, queries.TOLD_TO_STOP)
        self.attempt.signal(signal.SIGTERM)

    def stop_orphans(self) -> None:
        """The server stops: end the attempts that a generation has begun which died. What it started looks there."""
        parents = {view.recorded_pid for view in queries.serving(self._board)}
        for attempt in self._board.attempts():
            if not attempt.outcome and attempt.by not in parents:
                self._board.end_attempt(attempt.number, False, text=queries.TOLD_TO_STOP)

    def lives(self) -> bool:
        """Whether there is a successor that has not ended, or at least come to its end."""
        if self.current is None:
            return False
        successor = self.current.successor
        return not (successor.exited() or self._board.lingerer(successor.pid))

    def kill(self) -> None:
        self._may_try_again = False
        self.attempt.signal(signal.SIGKILL)

    def end(self) -> tuple[int, int] | None:
        """The pid and the status of a successor that has taken over and has ended since; None is no such one."""
        attempt = self.current
        if attempt is None or not attempt.was_ready or not attempt.successor.exited():
            return None
        status = attempt.successor.returncode
        return None if status is None or status == UNKNOWN else (attempt.successor.pid, status)

    def forget(self) -> int:
        """Let go of the successor and give its pid, 0 if there is none.

        One that never became ready is killed, for it holds our listeners.
        """
        if self.current is None:
            return 0
        pid = self.current.successor.pid
        self.current.close()
        self.current = None
        return pid

    def close(self) -> None:
        """This process serves no more: as `forget`, also of those that still retire to it."""
        self.forget()
        for attempt in self._taken_back:
            attempt.close()

    def abandon(self) -> None:
        """In a forked child: close what we hold of a successor, which is the parent's."""
        for attempt in (*self._taken_back, *filter(None, [self.current])):
            attempt.successor.close()
