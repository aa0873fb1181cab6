"""Where a worker of gunicorn's classes waits between having loaded and accepting, and what it tells when it leaves."""

from __future__ import annotations

import _thread
import os
import select
import signal
import time
from collections.abc import Callable
from typing import ClassVar

from hotswap.callbacks import draining
from hotswap.lifecycle.leave_policy import LeaveMode, LeavePolicy
from hotswap.lifecycle.worker_states import LEAVING_STATES, SHOWN, WorkerAction, WorkerEvent, WorkerState
from hotswap.lifecycle.worker_transitions import worker_transition
from hotswap.system import process_title
from hotswap.system.parent_death import end_with_parent
from hotswap.system.tail import tail
from hotswap.workers.channel import TEXT_LIMIT, Order, WorkerNews
from hotswap.workers.context import WorkerContext
from hotswap.workers.gunicorn_worker import GunicornWorker

#: How often the heartbeat is given while waiting (seconds).
BEAT = 0.5
#: What gunicorn's classes are told where there is no limit: they want a number (seconds).
_FOR_EVER = 10.0 * 365 * 86400


class StartGate:
    """One worker's. It is closed until the server process says ACCEPT; then the worker may touch its listeners.

    From then on the server process speaks to it by signals, which gunicorn's workers understand; an order that comes
    before a signal says what it means. All methods are called on the worker's main thread, `leaves` also in its signal
    handlers.
    """

    def __init__(self, worker: GunicornWorker, context: WorkerContext) -> None:
        self._worker = worker
        self._number = context.number
        self._channel = context.channel
        self._server = context.server
        self._leave_policy = LeavePolicy.of(self._server.options.leave)
        # It never polls the exchange: a process that looks for another to hand a connection over to must not find it.
        board, server = self._server.board, self._server
        self._slot = board.take_slot(server.generation, "worker", may_receive=False, attempt=server.attempt)
        #: what the server process wanted with its signal; None: the signal was another's, or there was none
        self._ordered: Order | None = None
        self._why = ""
        self._patience: float | None = None
        self._state, self._since = WorkerState.BOOTING, time.monotonic()
        self._show()

    @property
    def is_open(self) -> bool:
        """Whether the worker has been told to accept; it stays open."""
        return self._state not in (WorkerState.BOOTING, WorkerState.LOADED)

    def beat(self, connections: int) -> None:
        """Show that the worker turns, and what it does; as often as it gives its heartbeat."""
        self._slot.update(requests=self._worker.nr, connections=connections)
        self._slot.tally.set(requests=self._worker.nr, unclassified=self._worker.nr)
        self._slot.beat()

    def failed(self, text: str) -> None:
        """Tell why it is about to end."""
        self._channel.send(WorkerNews.FAILED, text=tail(text, TEXT_LIMIT))

    # the machine

    def _dispatch(self, event: WorkerEvent) -> None:
        step = worker_transition(self._state, event)
        if step.next is not self._state:
            self._enter(step.next)
        for action in step.actions:
            self._ACTIONS[action](self)

    def _enter(self, state: WorkerState) -> None:
        self._state, self._since = state, time.monotonic()
        self._show()

    def _show(self) -> None:
        """Again if a signal's handler has changed the state meanwhile: what was begun before would hide that."""
        shown = None
        while shown is not self._state:
            shown = self._state
            text = SHOWN[shown].value
            self._slot.set_state(text)
            process_title.show(self._server.options.proc_name, self._server.generation, text, f"worker {self._number}")

    # arriving

    def wait(self) -> None:
        """Say that all is loaded, and wait. Raises SystemExit if the server process is gone."""
        self._dispatch(WorkerEvent.LOADED)
        while not (self.is_open or self._hears_accept()):
            self._worker.notify()
            # Looked up now: gevent may have put its own in place, which lets greenlets run meanwhile.
            poll = select.poll()
            poll.register(self._channel.fileno(), select.POLLIN)
            poll.poll(BEAT * 1000)
        self._dispatch(WorkerEvent.ACCEPT)

    async def pass_through(self, patience: float | None = None) -> None:
        """The same in an asyncio loop, which goes on turning; gives up after `patience` seconds."""
        import asyncio  # only here: a worker that calls this has imported it already

        self._dispatch(WorkerEvent.LOADED)
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        until = None if patience is None else loop.time() + patience
        loop.add_reader(self._channel.fileno(), news.set)
        try:
            while not (self.is_open or self._hears_accept()):
                if until is not None and loop.time() > until:
                    return
                self._worker.notify()
                news.clear()
                timer = loop.call_later(BEAT, news.set)
                await news.wait()
                timer.cancel()
        finally:
            loop.remove_reader(self._channel.fileno())
        self._dispatch(WorkerEvent.ACCEPT)

    def _hears_accept(self) -> bool:
        orders = [Order(message.what) for message in self._channel.receive()]
        if self._channel.closed:
            raise SystemExit(0)
        return Order.ACCEPT in orders

    # leaving

    def leaves(self, why: str) -> None:
        """The worker has stopped accepting, or is about to: another must take its place."""
        self._why = why
        drains = self._hear_order() is Order.DRAIN if self._state is WorkerState.SERVING else False
        self._dispatch(WorkerEvent.STOPPED_TO_DRAIN if drains else WorkerEvent.STOPPED)

    def _hear_order(self) -> Order | None:
        for message in self._channel.receive():
            self._ordered = Order(message.what)
        return self._ordered

    def patience(self) -> float:
        """How long the worker may take to leave (seconds): until we would end it by force, and a little less.

        Asked when it begins, which may be a second after it was told to (gunicorn/workers/gasgi.py, `_serve`). gevent's
        worker asks again and again, and gets the same answer.
        """
        if self._patience is None:
            self._patience = self._how_long(self._hear_order())
        return self._patience

    def _how_long(self, order: Order | None) -> float:
        if order is None or os.getppid() != self._worker.ppid:  # no process of ours would end it by force
            return self._leave_policy.limit_s(LeaveMode.FOREIGN_UNASKED) or 0.0
        mode = LeaveMode.FOREIGN_DRAIN if order is Order.DRAIN else LeaveMode.FOREIGN_RETIRE
        limit = self._leave_policy.limit_s(mode)
        elapsed = time.monotonic() - self._since if self._state in LEAVING_STATES else 0.0
        return max((_FOR_EVER if limit is None else limit) - elapsed, 0.0)

    # actions

    def _tell_loaded(self) -> None:
        self._server.has_loaded()
        self._channel.send(WorkerNews.LOADED)

    def _open(self) -> None:
        # Until here its parent's end kills it, or one whose event loop hangs would keep the listeners. From here on it
        # would notice by itself within a second (gunicorn's workers look at getppid), if it is not busy.
        end_with_parent(signal.SIGTERM, self._worker.ppid)
        self._channel.send(WorkerNews.ACCEPTING)

    def _tell_stopped(self) -> None:
        self._channel.send(WorkerNews.WANTS_REPLACEMENT, reason=self._why)

    def _tell_application(self) -> None:
        # On another thread: this one may have been interrupted while it held the event's lock.
        _thread.start_new_thread(draining.set, ())

    _ACTIONS: ClassVar[dict[WorkerAction, Callable[[StartGate], object]]] = {
        WorkerAction.IGNORE: lambda gate: None,
        WorkerAction.TELL_LOADED: _tell_loaded,
        WorkerAction.OPEN: _open,
        WorkerAction.TELL_STOPPED: _tell_stopped,
        WorkerAction.TELL_APPLICATION: _tell_application,
    }
