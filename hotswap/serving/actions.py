"""What a generation does at a transition: the right-hand side of `lifecycle/transitions.py`, in the order of a life."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable

from hotswap.lifecycle.states import Action, Event
from hotswap.scoreboard import Scoreboard, SlotView, queries
from hotswap.serving.leaving_actions import LeavingActions
from hotswap.system.pidfd import signal_process
from hotswap.system.signals import CTRL_C


class Actions(LeavingActions):
    """Carries out actions, on the main thread."""

    def carry_out(self, action: Action) -> None:
        """Do it. What fails is logged: it must not keep this generation from serving, or from leaving."""
        self.attempt(functools.partial(_ACTIONS[action], self))

    # a restart

    def _start_successor(self) -> None:
        self._systemd.restarting(self._resources.plan.options.boot_timeout_s)
        self._callbacks.at("restarting", self._server)
        if not self._restarter.start():
            self._dispatch(Event.FAILED)

    def _announce_successor(self) -> None:
        attempt = self._restarter.ready()
        self._announcer.handed_to(attempt.successor.pid, attempt.generation)

    def _report_failure(self) -> None:
        why = self._restarter.failed()
        self._resources.file_watch.failed(why, self._restarter.failed_files)
        told = self._restarter.logged_failure
        self._log.error("restart failed, generation %d serves on: %s", self._generation, told, event="restart_failed")
        self._announcer.restart_failed(why)
        self._callbacks.at("restart_failed", self._server, why)
        if self.lame_duck.began:
            # It was one before the restart, which would have ended that.
            self._resources.loop.call(lambda: self._dispatch(Event.URG))

    def _start_if_remembered(self) -> None:
        if self._restarter.remembered is not None:
            self._dispatch(self._restarter.remembered)

    # signals that are for another process

    def _pass_on(self) -> None:
        """A HUP for a server that has moved on belongs to the process that serves now."""
        heard = _pass_on(self._resources.board, signal.SIGHUP, self._show_hup)
        # That process may be dying: should it be this one that serves again, the HUP still gets its restart.
        self._restarter.remember()
        if heard is None:
            self._log.warning("SIGHUP while leaving: no process serves that it could be passed on to")
        else:
            self._log.info("SIGHUP passed on to generation %d (pid %d)", heard.generation, heard.pid)

    def _show_hup(self, whom: SlotView) -> None:
        """The process that is about to get it looks for it when the signal has come."""
        self._resources.slot.update(passed_on=self._under_starter.latest_hup(whom.generation))

    def _pass_on_if_remembered(self) -> None:
        if self._restarter.remembered is not None:
            self._pass_on()

    def _hurry(self) -> None:
        """The server that serves is told so by the terminal, as this process is."""
        if self.shutdown is not None:
            self.shutdown.hurry(self._policy.graceful_s)
        if self._resources.plan.future_starter is not None:
            self._resources.plan.future_starter.stops(signal.SIGINT)
            self._resources.loop.later(CTRL_C, self.stop_the_server)

    def stop_the_server(self) -> None:
        """The signal was for this process alone, as an editor sends it to the process that it has started."""
        if heard := _pass_on(self._resources.board, signal.SIGTERM):
            self._log.info("SIGTERM sent to generation %d (pid %d)", heard.generation, heard.pid)

    def _pass_on_stop(self) -> None:
        """A SIGTERM while retiring is one too many, unless it came to a process that stands for the server."""
        attempt = self._restarter.current
        if attempt is not None and attempt.sigterm_came():
            return
        plan = self._resources.plan
        if self.shutdown is None:
            return
        if plan.process.link.exists:
            # From the starter, which stops the server.
            self.shutdown.server_stops()
            self.shutdown.hurry(self._policy.graceful_s)
        if plan.future_starter is None and not plan.stands_for_a_unit:
            return
        # Also when none is left to hear of it: what serves may have died just now.
        self.shutdown.server_stops()
        self._stop_both()

    def _stop_both(self) -> None:
        """This process is told to end, and with it the server: should that have died just now, this process drains."""
        plan = self._resources.plan
        if self.shutdown is None:
            return
        if plan.future_starter is not None:
            plan.future_starter.stops(signal.SIGTERM)
        if plan.stands_for_a_unit:
            # Also if the server has been told already: with KillMode=control-group all are.
            self.shutdown.outlast()
        if heard := _pass_on(self._resources.board, signal.SIGTERM):
            self._log.info("SIGTERM passed on to generation %d (pid %d)", heard.generation, heard.pid)
            self.shutdown.hurry(self._policy.graceful_s)

    # anything else

    def _reopen_logs(self) -> None:
        self._log.reopen()
        self._runner.reopen_logs()
        self._log.info("log files reopened")

    def _suspend(self) -> None:
        self._log.info("suspended by SIGTSTP, until SIGCONT")
        self._runner.suspend()
        self._signals.suspend()
        self._runner.resume()
        self._log.info("resumed by SIGCONT")


def _pass_on(
    board: Scoreboard, number: signal.Signals, first: Callable[[SlotView], None] = lambda whom: None
) -> SlotView | None:
    """Send a signal to the process that serves now, which may not be our own child; which that was, None for none.

    `first` is told of each before that is tried.
    """
    for view in queries.serving(board):
        first(view)
        if signal_process(view.pid, number, board.alive):
            return view
    return None


_ACTIONS: dict[Action, Callable[[Actions], object]] = {
    Action.IGNORE: lambda actions: None,
    Action.DEFER: lambda actions: None,
    Action.START_SUCCESSOR: Actions._start_successor,
    Action.REMEMBER: lambda actions: actions._restarter.remember(),
    Action.REMEMBER_UPGRADE: lambda actions: actions._restarter.remember(Event.USR2),
    Action.START_IF_REMEMBERED: Actions._start_if_remembered,
    Action.PASS_ON: Actions._pass_on,
    Action.PASS_ON_IF_REMEMBERED: Actions._pass_on_if_remembered,
    Action.HURRY: Actions._hurry,
    Action.PASS_ON_STOP: Actions._pass_on_stop,
    Action.REAPPEAR: Actions._reappear,
    Action.REPORT_FAILURE: Actions._report_failure,
    Action.ANNOUNCE_SUCCESSOR: Actions._announce_successor,
    Action.STOP_SUCCESSOR: lambda actions: actions._restarter.stop(),
    Action.KILL_SUCCESSOR: lambda actions: actions._restarter.kill(),
    Action.RETIRE: Actions._retire,
    Action.RETIRE_OR_PARK: Actions._retire_or_park,
    Action.END_PROBATION: Actions._end_probation,
    Action.RETIRE_TO_PREDECESSOR: Actions._retire_to_predecessor,
    Action.RETIRE_TO_YOUNGER: Actions._retire_to_younger,
    Action.BEGIN_LAME_DUCK: lambda actions: actions.lame_duck.begin(),
    Action.BOW_OUT: Actions._bow_out,
    Action.DRAIN: Actions._drain,
    Action.TAKE_BACK: Actions._take_back,
    Action.ROLL_BACK: Actions._roll_back,
    Action.STOP_BOTH: Actions._stop_both,
    Action.HAMMER: Actions._hammer,
    Action.REOPEN_LOGS: Actions._reopen_logs,
    Action.MORE_WORKERS: lambda actions: actions._runner.more_workers(),
    Action.FEWER_WORKERS: lambda actions: actions._runner.fewer_workers(),
    Action.SUSPEND: Actions._suspend,
}
