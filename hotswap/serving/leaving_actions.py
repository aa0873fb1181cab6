"""What a generation does to leave, and to serve again: what `actions.py` needs for that, in the order of a life."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Collection
from typing import TypeVar

from hotswap.callbacks import draining
from hotswap.errors import HotswapError
from hotswap.lifecycle.leave_policy import LeaveMode, LeavePolicy
from hotswap.lifecycle.states import Event, State
from hotswap.restart.successor import Successor
from hotswap.scoreboard import Scoreboard, SlotView, queries
from hotswap.serving.lame_duck import LameDuck
from hotswap.serving.plan import ServerEvents
from hotswap.serving.probation import Probation, Subject
from hotswap.serving.recent_answers import RecentAnswers, answers_of
from hotswap.serving.resources import Resources
from hotswap.serving.shutdown import Replacement, ShutdownWatch
from hotswap.serving.under_starter import UnderStarter
from hotswap.system.pidfd import runs
from hotswap.system.signals import SignalQueue

#: For how long what has been sent to a generation may have been sent before it was taken back (seconds).
NOT_KNOWN = 0.5

T = TypeVar("T")


class LeavingActions:
    """On the main thread. `dispatch(event)` is the server's, for what follows from an action.

    `shutdown` is there from the moment of leaving, and gone after a take-back. `predecessor` is to be set before
    Event.TAKEN_BACK.
    """

    def __init__(
        self,
        resources: Resources,
        events: ServerEvents,
        signals: SignalQueue,
        dispatch: Callable[[Event], None],
        under_starter: UnderStarter,
    ) -> None:
        self._resources = resources
        self._server = events.server
        self._signals = signals
        self._dispatch = dispatch
        self._under_starter = under_starter
        self._log = resources.log
        self._runner = resources.runner
        self._restarter = resources.restarter
        self._announcer = resources.announcer
        self._systemd = resources.announcer.systemd
        self._callbacks = resources.callbacks
        self._generation = resources.plan.generation
        self._policy = LeavePolicy.of(resources.plan.options.leave)
        self.shutdown: ShutdownWatch | None = None
        self.lame_duck = LameDuck(resources, events.server, lambda: dispatch(Event.LAME_DUCK_OVER))
        #: which serves again in the place of this process, after a rollback
        self.predecessor: SlotView | None = None
        self._left_to_it = 0.0
        slot = resources.slot
        self.recent_answers = RecentAnswers(lambda: answers_of(resources.board, slot.generation, slot.attempt))

    def attempt(self, act: Callable[[], T]) -> T | None:
        """What `act` returns; None if it fails, which is logged."""
        try:
            return act()
        except HotswapError as error:
            self._log.error("%s", error)
        except Exception:  # noqa: BLE001  whatever it is, clients are being served
            self._log.exception("going on after an error in the main loop")
        return None

    def _retire(self, probation_s: float = 0.0) -> None:
        attempt = self._restarter.attempt
        successor, takeover = attempt.successor, attempt.takeover
        replacement = _successor_as_replacement(self._resources.board, successor, on_board=takeover.on_board)
        if probation_s:
            max_errors = takeover.probation_max_errors
            subject = Subject(attempt.generation, successor.pid, self._restarter.number, probation_s, max_errors)
            probation = Probation(self._resources.board, subject, self.recent_answers.lately())
            replacement = replacement._replace(probation=probation)
        moves = takeover.reads_connections_of(self._resources.plan.options.proxy_protocol)
        self.attempt(self._keep_for_starter)
        self._hand_over(replacement, takeover.listeners, moves=moves)
        self.attempt(functools.partial(self._restarter.succeeded, probation_s))
        self.attempt(self._announcer.replaced)
        how = f", on probation for {probation_s:g} s: parked" if probation_s else ": retiring"
        self._log.info("generation %d (pid %d) serves%s", attempt.generation, successor.pid, how, event="retiring")
        self._tell_program("retiring")

    def _retire_or_park(self) -> None:
        probation_s = self.attempt(lambda: self._restarter.probation_s) or 0.0
        self._retire(probation_s)
        if probation_s:
            self._dispatch(Event.PROBATION)

    def _end_probation(self) -> None:
        self.attempt(self._restarter.proven)
        limit_s = self._policy.limit_s(LeaveMode.RETIRE)
        if self.shutdown is not None and limit_s is not None:
            self.shutdown.limit(limit_s)
        self._log.info("the probation of generation %d is over: retiring", self._restarter.attempt.generation)

    def _keep_for_starter(self) -> None:
        """Before a listener is closed: what this process is to have as the starter."""
        resources = self._resources
        if resources.plan.future_starter is not None:
            tried = resources.plan.process.tried_in_vain(resources.listeners.keys)
            resources.plan.future_starter.keep(resources.listeners.all, resources.exchange, tried)

    def _retire_to_younger(self) -> None:
        board = self._resources.board
        younger = self.attempt(lambda: queries.younger(board, self._resources.slot))
        moves = bool(self.attempt(board.receiving))
        self.attempt(self._keep_for_starter)
        self._hand_over(_replacement(board, younger), self._resources.listeners.keys, moves=moves)
        if younger is not None:
            self.attempt(functools.partial(self._announcer.left_to, younger))
        self._tell_program("retiring")

    def _retire_to_predecessor(self) -> None:
        """It serves again, by a rollback: what this generation has goes back to it."""
        self._left_to_it = time.monotonic()
        board, older = self._resources.board, self.predecessor
        takeover = self._resources.predecessor_serves
        moves = takeover.reads_connections_of(self._resources.plan.options.proxy_protocol)
        self._hand_over(_replacement(board, older), self._resources.listeners.inherited, moves=moves)
        if older is not None:
            self.attempt(functools.partial(self._announcer.left_to, older))
            self._log.warning(
                "generation %d (pid %d) serves again: retiring to it", older.generation, older.pid, event="retiring"
            )
        self._tell_program("retiring")

    @property
    def has_just_left_to_predecessor(self) -> bool:
        """Whether this process retires to its predecessor, and has for so short a time that other processes may
        not know yet."""
        return bool(self._left_to_it) and time.monotonic() - self._left_to_it < NOT_KNOWN

    def _hand_over(self, replacement: Replacement, keys: Collection[str], *, moves: bool) -> None:
        """Leave to `replacement`, which has the listeners with these keys. `moves`: connections can move to it."""
        self._resources.listeners.are_elsewhere(keys)
        self._leave(LeaveMode.RETIRE, replacement)
        try:
            self._runner.retire(keys, moves=moves)
        except Exception:  # noqa: BLE001  whatever it is, they must not wait for retire_timeout
            self._log.exception("connections cannot be handed over, and are drained")
            self.attempt(self._runner.drain)
        # Before the restart has an outcome: the command that waits for that reads how much has moved.
        self._runner.report(self._resources.slot)

    def _drain(self) -> None:
        self._log.info("draining: no new connections, finishing what runs", event="draining")
        self.lame_duck.end()
        if self.shutdown is not None:
            # It was retiring when its starter ended.
            self.shutdown.cancel()
        self._leave(LeaveMode.DRAIN, None)
        self._resources.listeners.are_only_here()
        self.attempt(self._restarter.stop_orphans)
        self._say_draining()
        self.attempt(self._runner.drain)
        if self.attempt(self._is_alone):
            self.attempt(self._resources.listeners.admit_no_more)
        # Before the callbacks: a slow one must not make clients hang that connect meanwhile.
        self.attempt(self._release_listeners)
        self._tell_program("draining")

    def _is_alone(self) -> bool:
        """Whether no process may serve with these listeners, even if this one dies while it drains. A starter starts
        none any more: it has been told of the new state."""
        views = self._resources.board.everyone()
        others = any(view.role == "server" and view.pid != os.getpid() for view in views)
        return not (others or self._restarter.lives()) and self._resources.plan.process.link.has_told_all

    def _bow_out(self) -> None:
        self.lame_duck.bow_out()
        # Now, although this process serves on: a parked predecessor must not serve again, whatever becomes of it.
        self.attempt(self._restarter.stop_orphans)

    def _say_draining(self) -> None:
        self._runner.report(self._resources.slot)
        self._systemd.draining(queries.left_to_do(self._resources.board), self._policy.graceful_s)

    def ask_for_time(self, state: State) -> None:
        """Tell systemd how far a restart or leaving is, and that it takes its time. Called every second."""
        board = self._resources.board
        left_s = self.shutdown.left_s if self.shutdown is not None else None
        if state is State.RESTARTING:
            self._systemd.still_restarting(self._resources.plan.options.boot_timeout_s)
        elif state is State.STOPPING:
            self.lame_duck.ask_for_time()
        elif state is State.DRAINING and left_s is not None:
            self._systemd.still_draining(queries.left_to_do(board), left_s)
        elif state in (State.RETIRING, State.HURRYING) and left_s is not None and not queries.serving(board):
            self._systemd.still_retiring(left_s)

    def _leave(self, mode: LeaveMode, replacement: Replacement | None) -> None:
        """The first thing that leaving does: whatever fails behind it, the deadline ends this generation."""
        limit_s = self._policy.limit_s(mode)
        self.shutdown = ShutdownWatch(self._resources, self._dispatch, self._release_listeners, limit_s, replacement)

    def _tell_program(self, step: str) -> None:
        draining.set()
        self._callbacks.at(step, self._server)

    def _release_listeners(self) -> None:
        self.attempt(self._resources.listeners.remove_paths)
        self.attempt(lambda: self._runner.release_listeners(self._resources.listeners.close))
        self._announcer.released()

    def _hammer(self) -> None:
        cut = self._runner.hammer()
        self._callbacks.at("hammer", self._server, cut)
        now = time.monotonic()
        for request in cut:
            self._log.warning(
                "cut %s %s after %.1f s", request.method, request.path, now - request.started, event="hammer"
            )

    def tell_how_successor_ended(self) -> None:
        """It has ended before this process, which is its parent and leaves now: the starter ends as the server has."""
        end, plan = self._restarter.end(), self._resources.plan
        if end is not None:
            plan.process.link.ended(*end)
            if plan.future_starter is not None:
                plan.future_starter.ended(*end)

    # serving again

    def _take_back(self) -> None:
        self._log.warning("the successor is lost: generation %d serves again", self._generation, event="resumed")
        self._serve_again()
        self.attempt(self._restarter.lost)
        self._callbacks.at("resumed", self._server)

    def _roll_back(self) -> None:
        why = self.shutdown.why_back if self.shutdown is not None else ""
        # The figures stand in the line that follows, of the restart that has failed.
        what = why.partition(": ")[0]
        self._log.warning("%s: generation %d serves again", what, self._generation, event="resumed")
        self._serve_again()
        self._restarter.take_back(why)
        self._callbacks.at("resumed", self._server)

    def _serve_again(self) -> None:
        if self.shutdown is not None:
            self.shutdown.cancel()
            self.shutdown = None
        if self._resources.plan.future_starter is not None:
            self.attempt(self._resources.plan.future_starter.serves_again)
        self._left_to_it = 0.0  # a SIGTERM is this process's again: its next successor's, for one
        self._resources.listeners.may_be_elsewhere()
        self.attempt(self._runner.take_back)
        self.attempt(functools.partial(self._under_starter.give_again, self._resources.give_to_starter))
        draining.clear()

    def stand_for_the_server(self) -> None:
        """Whatever a predecessor that is gone has told others: it is this generation that serves."""
        self._reappear()
        self._announcer.main_process()
        self._under_starter.give_again(self._resources.give_to_starter)
        self._restarter.end_orphaned(self._resources.slot.attempt)

    def _reappear(self) -> None:
        self._resources.show_name()
        # A successor that was stopped when it had just become ready has taken it along.
        self._resources.look_for_path()
        self.attempt(self._announcer.taken_back)


def _successor_as_replacement(board: Scoreboard, successor: Successor, *, on_board: bool) -> Replacement:
    """Our successor. One that lingers is as good as gone: it will never serve again."""

    def status() -> int | None:
        lingers = board.lingerer(successor.pid)
        return successor.returncode if lingers is None else 0 if lingers.has_stopped else None

    def exited() -> bool:
        return successor.exited() or bool(board.lingerer(successor.pid))

    return Replacement(exited, status, successor.exited, on_board=on_board)


def _replacement(board: Scoreboard, younger: SlotView | None) -> Replacement:
    """A generation that is not our successor. None: it has gone in between, or there is no telling; then it is as if it
    had been our successor, and lost at once."""
    if younger is None:
        return Replacement(lambda: True, lambda: None, lambda: True, on_board=True)
    pid = younger.pid
    return Replacement(lambda: not board.alive(pid), lambda: None, lambda: not runs(pid), on_board=True)
