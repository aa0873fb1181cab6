"""While files are watched, generation 1 stays in the foreground: a terminal, an editor or a container waits for it.

If it ended at the first restart, the shell would show its prompt while the server runs on behind it, Ctrl-C would reach
no process, and as pid 1 of a container it could not be replaced at all. So it retires as ever, gives all resources
back, and then only passes signals on until no server process is left.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
from collections.abc import Mapping

from hotswap.log import Log
from hotswap.repeated_errors import RepeatedErrors
from hotswap.scoreboard import Scoreboard, SlotView
from hotswap.system.main_loop import MainLoop
from hotswap.system.pidfd import signal_process
from hotswap.system.signals import CTRL_C, SignalQueue

#: What the other signals are passed on as.
PASSED_ON: Mapping[signal.Signals, signal.Signals] = {
    signal.SIGHUP: signal.SIGHUP,
    signal.SIGUSR2: signal.SIGHUP,
    signal.SIGUSR1: signal.SIGUSR1,
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGQUIT: signal.SIGQUIT,
}


def stay(board_fd: int, log: Log, signals: SignalQueue) -> None:
    """Stay until no server process is left on the scoreboard. On the main thread; owns `board_fd`.

    `signals` is the queue of the server that has retired, which has not been left since: signals that came after the
    server took the last one are passed on too. Raises ScoreboardError if `board_fd` is no scoreboard.
    """
    with contextlib.closing(Scoreboard.from_fd(board_fd)) as board, contextlib.closing(MainLoop()) as loop:
        log.info("in front of the server until it stops: signals that come here are passed on")
        _Foreground(board, loop, signals, RepeatedErrors(log)).run()


class _Foreground:
    def __init__(self, board: Scoreboard, loop: MainLoop, signals: SignalQueue, errors: RepeatedErrors) -> None:
        self._errors = errors
        self._board = board
        self._loop = loop
        self._signals = signals
        #: the server processes for which this process waits: pid to pidfd
        self._servers: dict[int, int] = {}

    def run(self) -> None:
        self._loop.watch(self._signals.fileno(), self._on_signals)
        # Signals that the server has left in the queue have no byte in the pipe any more.
        self._loop.call(self._on_signals)
        self._look()
        while self._servers:
            self._loop.wait(lambda: self._errors.exception("an error in front of the server"))

    def _views(self) -> list[SlotView]:
        return [view for view in self._board.slots() if view.role == "server"]

    def _look(self) -> None:
        """Wait for all server processes. A generation is on the scoreboard before its predecessor leaves, so at the
        exit of one the next is found; also if it has stopped by then and lingers, for its predecessor took longer."""
        for view in self._board.everyone():
            if view.role != "server" or view.pid in self._servers:
                continue
            with contextlib.suppress(ProcessLookupError):
                pidfd = self._servers[view.pid] = os.pidfd_open(view.pid)
                self._loop.watch(pidfd, functools.partial(self._on_exit, view.pid))

    def _on_exit(self, pid: int) -> None:
        pidfd = self._servers.pop(pid)
        self._loop.unwatch(pidfd)
        os.close(pidfd)
        with contextlib.suppress(ChildProcessError):
            # A child of this process; as pid 1 it has orphans of other processes as children too.
            os.waitpid(pid, os.WNOHANG)
        self._look()

    def _on_signals(self) -> None:
        for number in self._signals.take():
            if number is signal.SIGTSTP:
                self._signals.suspend()
            elif number is signal.SIGINT:
                self._loop.later(CTRL_C, self._stop_those_that_serve_on)
            elif number in PASSED_ON:
                self._pass_on(PASSED_ON[number])

    def _stop_those_that_serve_on(self) -> None:
        """Stop processes that still serve after CTRL_C: the SIGINT was for this process alone, as an editor sends it to
        the process that it has started."""
        for view in self._views():
            if not (view.retires or view.drains):
                signal_process(view.pid, signal.SIGTERM, self._board.alive)

    def _pass_on(self, number: signal.Signals) -> None:
        """Send `number` to all server processes that do not retire, but a SIGHUP only to the youngest of them."""
        views = sorted((view for view in self._views() if not view.retires), key=lambda view: view.generation)
        for view in views[-1:] if number is signal.SIGHUP else views:
            signal_process(view.pid, number, self._board.alive)
