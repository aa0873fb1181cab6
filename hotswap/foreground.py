"""While files are watched, the process that was started stays: a terminal, an editor or a container waits for it.

If it went at the first restart, the shell would show its prompt while the server runs on behind it, Ctrl-C would reach
nobody, and as pid 1 of a container it could not be replaced at all. So it retires as ever, gives everything back, and
then only passes signals on until nobody serves any more.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
from collections.abc import Mapping

from hotswap.logs import Log
from hotswap.system.processes import signal_process
from hotswap.system.scoreboard import Scoreboard, SlotView
from hotswap.system.signals import SignalQueue
from hotswap.system.waiter import Waiter

#: Ctrl-C reaches the server too, which is in the same process group: so long is waited for that (seconds). A signal of
#: ours at the same moment could overtake it, and then the SIGINT would find the server draining, and be its hammer.
CTRL_C = 0.5
#: What becomes of the other signals.
PASSED_ON: Mapping[signal.Signals, signal.Signals] = {
    signal.SIGHUP: signal.SIGHUP,
    signal.SIGUSR2: signal.SIGHUP,
    signal.SIGUSR1: signal.SIGUSR1,
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGQUIT: signal.SIGQUIT,
}


def stay(board_fd: int, log: Log) -> None:
    """Stay until no server process is left on the scoreboard; takes `board_fd` over. On the main thread."""
    with (
        contextlib.closing(Scoreboard.from_fd(board_fd)) as board,
        contextlib.closing(Waiter()) as waiter,
        SignalQueue() as signals,
    ):
        log.info("in front of the server until it stops: signals that come here are passed on")
        _Foreground(board, waiter, signals).run()


class _Foreground:
    def __init__(self, board: Scoreboard, waiter: Waiter, signals: SignalQueue) -> None:
        self._board = board
        self._waiter = waiter
        self._signals = signals
        #: the processes that are waited for: pid to pidfd
        self._servers: dict[int, int] = {}

    def run(self) -> None:
        self._waiter.watch(self._signals.fileno(), self._on_signals)
        self._look()
        while self._servers:
            self._waiter.wait()

    def _views(self) -> list[SlotView]:
        return [view for view in self._board.slots() if view.role == "server"]

    def _look(self) -> None:
        """A generation is on the scoreboard before its predecessor leaves, so the exit of one leads to the next."""
        for view in self._views():
            if view.pid in self._servers:
                continue
            with contextlib.suppress(ProcessLookupError):
                pidfd = self._servers[view.pid] = os.pidfd_open(view.pid)
                self._waiter.watch(pidfd, functools.partial(self._on_exit, view.pid))

    def _on_exit(self, pid: int) -> None:
        pidfd = self._servers.pop(pid)
        self._waiter.unwatch(pidfd)
        os.close(pidfd)
        with contextlib.suppress(ChildProcessError):
            # Our own child, or as pid 1 anybody's.
            os.waitpid(pid, os.WNOHANG)
        self._look()

    def _on_signals(self) -> None:
        for number in self._signals.take():
            if number is signal.SIGTSTP:
                self._signals.suspend()
            elif number is signal.SIGINT:
                self._waiter.later(CTRL_C, self._stop_who_did_not_hear)
            elif number in PASSED_ON:
                self._pass_on(PASSED_ON[number])

    def _stop_who_did_not_hear(self) -> None:
        """The SIGINT was for this process alone: an editor sends it to the one that it has started."""
        for view in self._views():
            if view.state not in ("retiring", "draining"):
                signal_process(view.pid, signal.SIGTERM, self._board.alive)

    def _pass_on(self, number: signal.Signals) -> None:
        """To who serves; a restart is the newest one's affair."""
        views = sorted((view for view in self._views() if view.state != "retiring"), key=lambda view: view.generation)
        for view in views[-1:] if number is signal.SIGHUP else views:
            signal_process(view.pid, number, self._board.alive)
