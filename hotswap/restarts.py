"""The restarts a generation attempts: at most one at a time, each on the scoreboard from its start to its outcome."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence

from hotswap.birth import Birth
from hotswap.errors import HotswapError, RestartRefused
from hotswap.lifecycle.handoff import Handoff, PassedListener
from hotswap.lifecycle.states import Event
from hotswap.logs import Log
from hotswap.settings import Config
from hotswap.settings.environment import additions
from hotswap.succession import Succession
from hotswap.system import program
from hotswap.system.exchange import Exchange
from hotswap.system.listeners import Listener
from hotswap.system.scoreboard import Scoreboard
from hotswap.system.successor import Pipes, Successor
from hotswap.system.waiter import Waiter


class Restarts:
    """Starts successors and keeps what becomes of them.

    `tell(event)` is how a succession's news reach the server. `failure` is the text of the last failure.
    """

    def __init__(
        self,
        birth: Birth,
        cfg: Config,
        log: Log,
        waiter: Waiter,
        board: Scoreboard,
        exchange: Exchange,
        listeners: Sequence[Listener],
        tell: Callable[[Event], object],
    ) -> None:
        self._birth = birth
        self._cfg = cfg
        self._log = log
        self._waiter = waiter
        self._board = board
        self._exchange = exchange
        self._listeners = listeners
        self._tell = tell
        self._attempt = 0
        self._highest = birth.generation
        self.remembered = False
        self.failure = ""
        #: the modules' files of the successor that failed last, as far as it could still tell
        self.failed_files: tuple[str, ...] = ()
        self.current: Succession | None = None

    @property
    def succession(self) -> Succession:
        assert self.current is not None, "the table of transitions leads here only with a successor"
        return self.current

    def start(self) -> bool:
        """Start a successor; False, with `failure` set, if that is refused or impossible."""
        self.remembered = False
        generation = self._highest + 1
        self._attempt = self._board.begin_attempt(generation)
        self.failure, self.failed_files = "", ()
        try:
            self.current = self._spawn(generation)
        except HotswapError as error:
            self.failure = str(error)
        except Exception as error:  # noqa: BLE001  whatever it is, the next HUP must find us serving
            self.failure = self._cannot_start(error)
        return not self.failure

    def _cannot_start(self, error: Exception) -> str:
        # subprocess names the directory, if that is what is missing, else the executable.
        where = getattr(error, "filename", None) or self._birth.program.executable
        return f"cannot start a successor ({getattr(error, 'strerror', None) or error}: {where})"

    def _spawn(self, generation: int) -> Succession:
        birth = self._birth
        refusal = program.refusal(birth.program, birth.origin, stays=bool(self._cfg.reload))
        if refusal:
            raise RestartRefused(f"restart refused: {refusal}")
        # Read anew each time: what they say now is what the next generation gets.
        overlay = additions(self._cfg)
        before = {name: birth.program.environ.get(name) for name in overlay}

        def handoff(pipes: Pipes, stderr: int) -> tuple[Mapping[str, str], list[int]]:
            value = self._handoff(generation, pipes, stderr, before)
            return value.to_environ(), value.descriptors()

        self._log.info(
            "starting generation %d: %s in %s", generation, birth.program.executable, birth.program.directory
        )
        successor = Successor.start(birth.program, {**birth.program.environ, **overlay}, handoff)
        self._board.attempt_pid(self._attempt, successor.pid)
        return Succession(
            successor, generation, self._waiter, float(self._cfg.boot_timeout), self._on_news, self.stage
        )

    def _handoff(
        self, generation: int, pipes: Pipes, stderr: int, before: Mapping[str, str | None]
    ) -> Handoff:
        return Handoff(
            generation=generation,
            predecessor=os.getpid(),
            listeners=tuple(
                PassedListener(listener.key, listener.fileno(), listener.identity) for listener in self._listeners
            ),
            exchange_send=self._exchange.send_fd,
            exchange_receive=self._exchange.receive_fd,
            ready=pipes.ready_write,
            stderr=stderr,
            stderr_pipe=pipes.stderr_read,
            scoreboard=self._board.fileno(),
            boot_timeout=float(self._cfg.boot_timeout),
            environment_before=before,
        )

    def _on_news(self, event: Event) -> None:
        if event is Event.FAILED and self.current is not None:
            self.failure = self.current.why()
            self.failed_files = self.current.successor.news.files
        self._tell(event)

    def stage(self, name: str) -> None:
        """Put what the successor does now on the scoreboard, for `hotswap restart` to show."""
        self._board.attempt_stage(self._attempt, name)

    def poll(self) -> None:
        """Read the ready pipe now."""
        if self.current is not None:
            self.current.poll()

    def end_orphaned(self) -> None:
        """We serve, but whoever started us is gone: its attempt has come to a good end all the same."""
        for attempt in self._board.attempts():
            if not attempt.outcome and attempt.pid == os.getpid():
                self._board.end_attempt(attempt.number, True)

    def ready(self) -> Succession:
        """The successor is ready. A HUP that it remembers itself need not be passed on a second time."""
        self.stage("ready")
        if self.succession.takes.get("hup"):
            self.remembered = False
        return self.succession

    def succeeded(self) -> Succession:
        """The successor has taken over."""
        succession = self.succession
        succession.settled()
        self._highest = succession.generation
        self._board.end_attempt(self._attempt, True, succession.successor.pid, succession.generation)
        return succession

    def failed(self) -> str:
        """The attempt is over; returns why."""
        pid = self.current.successor.pid if self.current is not None else 0
        self._board.end_attempt(self._attempt, False, pid, self._highest, self.failure)
        self.forget()
        return self.failure

    def lost(self) -> None:
        """Whoever had taken over died: that too is kept as a failed attempt."""
        self._attempt = self._board.begin_attempt(self._highest)
        if self.current is None:
            self.failure = "the younger generation that served is gone"
            return
        self.failure = f"{self.succession.successor.how_it_ended()} just after it had taken over"

    def stop(self) -> None:
        """Stop the successor too; SIGTERM ends a booting process and drains one that serves already."""
        pid = self.succession.successor.pid
        self._log.info("stopping the successor (pid %d) too", pid)
        self._board.end_attempt(self._attempt, False, pid, self._highest, "the server was told to stop")
        self.succession.signal(signal.SIGTERM)

    def lives(self) -> bool:
        """Whether there is a successor that has not exited."""
        return self.current is not None and not self.current.successor.exited()

    def kill(self) -> None:
        self.succession.signal(signal.SIGKILL)

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

    def abandon(self) -> None:
        """In a forked child: close what we hold of a successor, which is the parent's."""
        if self.current is not None:
            self.current.successor.close()
