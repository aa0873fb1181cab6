"""Starts workers of `hotswap start`: with its sockets, and with what the hotswap program before has given for it."""

from __future__ import annotations

import os
import signal

from hotswap.restart.handoff import Handoff
from hotswap.starter.command_runs import CommandRun
from hotswap.starter.execute import ChildProgram, execute
from hotswap.starter.start_options import StartOptions
from hotswap.starter.starter_state import Kept
from hotswap.starter.worker_environ import WorkerEnviron
from hotswap.system import fd_messages


class CommandLauncher:
    """Owns what workers share. `link`: the end that every worker has. `nohup`: SIGHUP was ignored when the starter
    began, as by nohup(1). `generation`: the number of the last one that was started."""

    def __init__(self, options: StartOptions, environ: WorkerEnviron, *, link: int, nohup: bool) -> None:
        self._options = options
        self._environ = environ
        self._link = link
        self._nohup = nohup
        self._kept = Kept()
        self.generation = 0

    def start(self) -> CommandRun:
        """Start the next one. Raises OSError with the name of what is missing."""
        self.generation += 1
        options, handoff = self._options, self._handoff()
        program = ChildProgram(
            executable=options.command[0],
            argv=options.command,
            directory=options.directory,
            environ=self._environ.of(self.generation, handoff),
            fds=[*(fd for _, fd in options.sockets), *handoff.descriptors()],
            # None is blocked: a program that does not know hotswap would never unblock one. What it was told to ignore,
            # it ignores.
            ignored=[signal.SIGHUP] if self._nohup else (),
        )
        return CommandRun(execute(program), self.generation)

    def _handoff(self) -> Handoff:
        """For a hotswap program: the listeners come by SERVER_STARTER_PORT, and all else by this."""
        return Handoff(
            generation=self.generation,
            predecessor=0,
            exchange_send=self._kept.exchange[0],
            exchange_receive=self._kept.exchange[1],
            scoreboard=self._kept.scoreboard,
            starter=self._link,
            starter_pid=os.getpid(),
            nohup=self._nohup,
        )

    def adopt(self, worker: CommandRun) -> None:
        """It serves: what it shares, if it is a hotswap program, is for the next one."""
        if worker.kept.descriptors():
            fd_messages.close_all(self._kept.descriptors())
            self._kept, worker.kept = worker.kept, Kept()
