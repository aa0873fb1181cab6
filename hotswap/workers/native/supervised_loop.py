"""The main loop of a worker that our server process leads: it carries out the orders that come over the control
channel, and leaves without an order only when the server process is gone."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Collection, Mapping
from typing import ClassVar

from hotswap.callbacks import draining
from hotswap.engine import InFlight
from hotswap.engine.values import Application
from hotswap.lifecycle.leave_policy import LeaveMode, LeavePolicy
from hotswap.lifecycle.states import State
from hotswap.lifecycle.worker_states import WorkerAction, WorkerEvent, WorkerState
from hotswap.system import process_title
from hotswap.system.fd_messages import close_all
from hotswap.system.parent_death import outlive_parent
from hotswap.system.signals import SignalQueue
from hotswap.workers.channel import ControlMessage, Order, WorkerNews
from hotswap.workers.context import WorkerContext
from hotswap.workers.gunicorn_worker import CountingWorker
from hotswap.workers.native.worker_loop import COMMON_ACTIONS, LoopContext, WorkerLoop
from hotswap.workers.services import services_of

#: How long a SIGINT waits for an order: Ctrl-C reaches the server process too, which then says how to leave (seconds).
INT_PATIENCE = 0.5
#: How long a worker whose server process is gone waits for processes that take its connections (seconds).
ORPHAN_PATIENCE = 1.0
#: How much of the path of a cut request is told at most (characters), and of how many requests.
_PATH_SHOWN, _CUT_SHOWN = 200, 100


class SupervisedLoop(WorkerLoop):
    """Turns orders, signals and the end of the server process into events. `worker` is gunicorn's object."""

    def __init__(
        self, worker: CountingWorker, context: WorkerContext, signals: SignalQueue, apps: Mapping[str, Application]
    ) -> None:
        self._context = context
        server = self._server = context.server
        self._number = context.number
        self._channel = context.channel
        self._keys = [listener.key for listener in server.listeners]
        #: what the processes that take over have, by listeners' keys, and whether they read our connections as we do
        self._takes: Collection[str] = self._keys
        self._moves = True
        self._told_parent_gone = False
        #: told to drain, this worker still has listeners: it must look at them once more before it goes
        self._has_to_release = False
        self._status: tuple[int, int] | None = None
        loop = LoopContext(
            name=f"worker {context.number}",
            cfg=server.cfg,
            log=server.log,
            services=services_of(server.listeners, apps),
            exchange=server.exchange,
            board=server.board,
            slot=server.board.take_slot(server.generation, "worker", attempt=server.attempt),
            leave=LeavePolicy.of(server.options.leave),
        )
        super().__init__(worker, loop, signals)

    def run(self) -> None:
        """Serve until told to leave and nothing is left. Returns; what goes wrong on the way is logged."""
        with contextlib.closing(self._loop):
            self._node.start()
            self._loop.watch(self._channel.fileno(), self._on_orders)
            self._loop.watch(self._signals.fileno(), self._on_signals)
            # What came before this was watched.
            self._loop.call(self._on_signals)
            self._show(State.BOOTING)
            self._tick()
            self._dispatch(WorkerEvent.LOADED)
            while self._state is not WorkerState.GONE:
                self._turn()
            self._close_listeners()
            self._node.report(self._slot)
            self._node.stop()
            self._slot.release()

    def _show(self, state: State) -> None:
        super()._show(state)
        proc_name, generation = self._server.options.proc_name, self._server.generation
        process_title.show(proc_name, generation, state.value, f"worker {self._number}")

    def _look(self) -> None:
        """While leaving: send what could not be sent, say what is left, go when that is nothing."""
        if not self._leaves or self._state is WorkerState.GONE:
            return
        self._node.flush()
        # What a worker that may be called back has sent stays in the exchange, received or not.
        may_go = self._state is not WorkerState.RETIRING and not self._has_to_release
        if may_go and self._node.empty() and self._node.shut_down_apps():
            self._dispatch(WorkerEvent.EMPTY)
        self._tell_if_changed()

    def _tell_if_changed(self) -> None:
        status = self._node.connections, self._node.waiting
        if status != self._status:
            sent = self._channel.send(WorkerNews.STATUS, connections=status[0], waiting=status[1])
            self._status = status if sent else None

    # what happens

    def _on_orders(self) -> None:
        for message in self._channel.receive():
            self._carry_out(message)
        if self._channel.closed:
            self._loop.unwatch(self._channel.fileno())
            self._parent_is_gone()

    def _carry_out(self, message: ControlMessage) -> None:
        order = Order(message.what)
        if order is Order.ADOPT:
            # Before all others, in any state: the check of a generation that does not accept yet.
            self._adopt(message)
            return
        close_all(message.fds)
        if order is Order.BE_LAME_DUCK:
            # It changes no state: the worker serves on.
            self._node.be_lame_duck()
            return
        event = _ORDERS[order]
        if order is Order.DRAIN:
            self._has_to_release = any(listener.fileno() >= 0 for listener in self._server.listeners)
        if order is Order.RETIRE:
            self._takes, self._moves = message.facts["takes"], message.facts.get("moves", True)
            event = WorkerEvent.RETIRE_ALONE if message.facts.get("alone") else WorkerEvent.RETIRE
        self._dispatch(event)

    def _adopt(self, message: ControlMessage) -> None:
        for fd in message.fds:
            self._node.adopt(socket.socket(fileno=fd), message.facts["key"])

    def _on_signal(self, number: signal.Signals) -> None:
        event = _SIGNALS[number]
        if number == signal.SIGTERM:
            self._why = "SIGTERM"
        if event is not None:
            self._dispatch(event)

    def _served_enough(self, reason: str) -> None:
        self._why = reason
        self._dispatch(WorkerEvent.ENOUGH)

    def _parent_is_gone(self) -> None:
        if not self._told_parent_gone:
            self._told_parent_gone = True
            self._has_to_release = False
            self._takes, self._moves = self._keys, True
            self._dispatch(WorkerEvent.PARENT_GONE)

    # actions

    def _tell_loaded(self) -> None:
        self._server.has_loaded()
        # The channel is watched from here on, so the parent's end is noticed.
        outlive_parent()
        self._channel.send(WorkerNews.LOADED)

    def _open(self) -> None:
        self._accept()
        self._channel.send(WorkerNews.ACCEPTING)

    def _ask_for_replacement(self) -> None:
        """The replacement serves before this worker is told to go."""
        self._log.info("worker %d asks for a replacement (%s)", self._number, self._why)
        self._channel.send(WorkerNews.WANTS_REPLACEMENT, reason=self._why)

    def _say_orphaned(self) -> None:
        self._log.warning("worker %d finishes and leaves: its server process is gone", self._number)

    def _start_orphan_timer(self) -> None:
        self._loop.later(ORPHAN_PATIENCE, self._orphan_decides)

    def _orphan_decides(self) -> None:
        self._dispatch(WorkerEvent.RECEIVED if self._others_receive() else WorkerEvent.UNRECEIVED)

    def _start_int_timer(self) -> None:
        self._loop.later(INT_PATIENCE, lambda: self._dispatch(WorkerEvent.INT_UNANSWERED))

    def _hand_over(self) -> None:
        self._node.retire(self._takes, moves=self._moves)

    def _tell_status(self) -> None:
        self._status = None
        self._tell_if_changed()

    def _take_back(self) -> None:
        self._node.take_back()
        self._has_to_release = False
        draining.clear()

    def _release(self) -> None:
        """Close, never shut down: other processes have the same sockets."""
        try:
            # Closed in any case: one that is open, and accepted from by no process, makes clients hang.
            self._node.close_listeners(self._close_listeners)
        finally:
            self._has_to_release = False

    def _close_listeners(self) -> None:
        for listener in self._server.listeners:
            listener.close()

    def _hammer(self) -> list[InFlight]:
        cut = super()._hammer()
        shown = [(item.method, item.path[:_PATH_SHOWN], item.started) for item in cut[:_CUT_SHOWN]]
        self._channel.send(WorkerNews.CUT, requests=shown)
        return cut

    _ACTIONS: ClassVar[dict[WorkerAction, Callable[[SupervisedLoop], object]]] = {
        **COMMON_ACTIONS,
        WorkerAction.TELL_LOADED: _tell_loaded,
        WorkerAction.OPEN: _open,
        WorkerAction.ASK_FOR_REPLACEMENT: _ask_for_replacement,
        WorkerAction.SAY_ORPHANED: _say_orphaned,
        WorkerAction.START_ORPHAN_TIMER: _start_orphan_timer,
        WorkerAction.START_INT_TIMER: _start_int_timer,
        WorkerAction.CANCEL_DEADLINE: lambda loop: loop._cancel_deadline(),
        WorkerAction.LIMIT_RETIRING: lambda loop: loop._limit(LeaveMode.RETIRE_ALONE),
        WorkerAction.LIMIT_DRAINING: lambda loop: loop._limit(LeaveMode.ORPHAN_UNRECEIVED),
        WorkerAction.HAND_OVER: _hand_over,
        WorkerAction.DRAIN: lambda loop: loop._node.drain(),
        WorkerAction.TAKE_BACK: _take_back,
        WorkerAction.RELEASE: _release,
        WorkerAction.TELL_STATUS: _tell_status,
        WorkerAction.REOPEN_LOGS: lambda loop: loop._server.log.reopen(),
    }


_ORDERS: dict[Order, WorkerEvent] = {
    Order.ACCEPT: WorkerEvent.ACCEPT,
    Order.RETIRE: WorkerEvent.RETIRE,
    Order.DRAIN: WorkerEvent.DRAIN,
    Order.TAKE_BACK: WorkerEvent.TAKE_BACK,
    Order.RELEASE: WorkerEvent.RELEASE,
    Order.HAMMER: WorkerEvent.HAMMER,
    Order.REOPEN: WorkerEvent.REOPEN,
}

#: Meant for the server process: a signal to all processes of a name means that one.
_NOT_FOR_WORKERS = (signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH)
_SIGNALS: dict[signal.Signals, WorkerEvent | None] = {
    signal.SIGTERM: WorkerEvent.ENOUGH,
    signal.SIGINT: WorkerEvent.INT,
    signal.SIGQUIT: WorkerEvent.QUIT,
    signal.SIGABRT: WorkerEvent.ABRT,
    signal.SIGUSR1: WorkerEvent.USR1,
    **dict.fromkeys(_NOT_FOR_WORKERS),
}
