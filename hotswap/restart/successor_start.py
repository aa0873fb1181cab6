"""Starting a successor: the program again, with all that it takes over."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hotswap.errors import RestartRefused
from hotswap.handover.exchange import Exchange
from hotswap.log import Log
from hotswap.restart.directory import existing_directory
from hotswap.restart.handoff import Handoff, PassedListener
from hotswap.restart.program import Program
from hotswap.restart.refusal import refusal
from hotswap.restart.successor import Pipes, Successor
from hotswap.restart.takeover import Takeover
from hotswap.restart.this_process import Bootstrap
from hotswap.scoreboard import Scoreboard
from hotswap.settings import Config
from hotswap.settings.environment import additions
from hotswap.system.listeners import Listener
from hotswap.system.main_loop import MainLoop


class RestartContext(NamedTuple):
    """What a restart works with: the event loop and the log of this process, and what every successor is passed.

    starter: the descriptor that leads to the starter, and its pid; -1 and 0 where there is none. serves: how this
    process serves.
    """

    loop: MainLoop
    log: Log
    listeners: Sequence[Listener]
    exchange: Exchange
    board: Scoreboard
    starter: tuple[int, int]
    serves: Takeover


class SuccessorStart:
    """What does not change from one start to the next. On the main thread."""

    def __init__(self, bootstrap: Bootstrap, cfg: Config, context: RestartContext) -> None:
        self._bootstrap = bootstrap
        self._cfg = cfg
        self._context = context

    def start(self, program: Program, generation: int, attempt: int) -> Successor:
        """Start `program`, which may differ from what this process was started as, for the attempt of that number.

        Raises RestartRefused where it must not be started, OSError where it cannot be.
        """
        bootstrap = self._bootstrap
        why = refusal(bootstrap.program, bootstrap.origin)
        if why:
            raise RestartRefused(f"restart refused: {why}")
        # Read anew each time: what they say now is what the next generation gets.
        overlay = additions(self._cfg, bootstrap.program.environ)
        before = {name: bootstrap.program.environ.get(name) for name in overlay}

        chdir = self._cfg.chdir if "chdir" in self._cfg.given else ""
        program = program._replace(directory=existing_directory(program.directory, chdir))

        def handoff(pipes: Pipes, stderr: int) -> tuple[Mapping[str, str], list[int]]:
            value = self._handoff(generation, pipes, stderr, before)
            value = value._replace(directory=program.directory, takes_flag=program.takes_flag, attempt=attempt)
            return value.to_environ(), value.descriptors()

        left = f" (without {program.debugger}, which stays with generation 1)" if program.debugger else ""
        words = "starting generation %d: %s in %s%s"
        self._context.log.info(words, generation, program.executable, program.directory, left, event="restarting")
        # In a log of objects, what it prints before it fails stands in the object that says so.
        holds = self._context.log.is_json_stderr
        return Successor.start(program, {**program.environ, **overlay}, handoff, holds=holds)

    def _handoff(self, generation: int, pipes: Pipes, stderr: int, before: Mapping[str, str | None]) -> Handoff:
        return Handoff(
            generation=generation,
            predecessor=os.getpid(),
            listeners=tuple(
                PassedListener(each.key, each.fileno(), each.identity, each.ours) for each in self._context.listeners
            ),
            exchange_send=self._context.exchange.send_fd,
            exchange_receive=self._context.exchange.receive_fd,
            ready=pipes.ready_write,
            stderr=stderr,
            stderr_pipe=pipes.stderr_read,
            stderr_pipes=self._bootstrap.stderr.reading_ends() if self._bootstrap.stderr is not None else (),
            scoreboard=self._context.board.fileno(),
            boot_timeout=float(self._cfg.boot_timeout),
            began=time.monotonic(),
            starter=self._context.starter[0],
            starter_pid=self._context.starter[1],
            environment_before=before,
            nohup=self._bootstrap.nohup,
            watched_path=self._bootstrap.watched[0],
            watched_state=self._bootstrap.watched[1],
            tried=self._bootstrap.tried_in_vain([each.key for each in self._context.listeners]),
            serves=self._context.serves.to_facts(),
        )
