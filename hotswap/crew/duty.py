"""One worker's life, from the moment its application is loaded: it carries out orders, and leaves without an order only
when the server process is gone."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from hotswap.crew.channel import Message, News, Order, close_all
from hotswap.crew.forking import outlive_parent
from hotswap.crew.post import Post
from hotswap.crew.share import Share
from hotswap.crew.tied import TiedEngine
from hotswap.engine import InFlight, Service
from hotswap.engine.limits import from_settings
from hotswap.engine.model import Application
from hotswap.events import draining
from hotswap.system import title
from hotswap.system.signals import SignalQueue
from hotswap.system.waiter import Timer, Waiter

#: How often the heartbeat is given, counters are written and the parent is looked at; and while leaving (seconds).
TICK, LEAVING_TICK = 0.5, 0.05
#: How long a SIGINT waits for an order: Ctrl-C reaches the server process too, which then says how to leave (seconds).
INT_PATIENCE = 0.5
#: How long a worker whose server process is gone waits for somebody who takes its connections (seconds).
ORPHAN_PATIENCE = 1.0
#: What is told of a cut request at most (characters), and of how many.
_PATH_SHOWN, _CUT_SHOWN = 200, 100

#: What a worker handles; SIGTSTP keeps its own way, for the shell's Ctrl-Z means the whole group.
WORKER_SIGNALS = (
    signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGUSR1,
    signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH,
)  # fmt: skip


class Duty:
    """Runs one tied engine by the orders that come over the control channel. `worker` is gunicorn's object."""

    def __init__(self, worker: Any, post: Post, signals: SignalQueue, apps: Mapping[str, Application]) -> None:
        shared = self._shared = post.shared
        self._worker = worker
        self._post = post
        self._signals = signals
        self._log = shared.log
        self._keys = [listener.key for listener in shared.listeners]
        self._state = ""
        self._over = self._for_good = self._spent = self._orphan = False
        self._deadline: Timer | None = None
        self._status: tuple[int, int] | None = None
        self._waiter = Waiter()
        self._slot = shared.board.take_slot(shared.generation, "worker")
        limits = from_settings(shared.cfg)
        self._share = Share(shared.board, self._slot, limits.threads)
        self._tied = TiedEngine(
            self._services(apps), shared.cfg, shared.log, shared.exchange, shared.board,
            self._later, self._look_again,
            fair=self._share.allows,
            multiprocess=True,
            limits=dataclasses.replace(limits, accepts=1),
            worker=worker,
        )  # fmt: skip

    def _services(self, apps: Mapping[str, Application]) -> list[Service]:
        default = next(iter(apps.values()))
        return [
            Service(listener.key, listener.sock, apps.get(listener.key, default), self._shared.names(listener.bound))
            for listener in self._shared.listeners
        ]

    def run(self) -> None:
        """Serve until told to leave and nothing is left. Returns; whatever goes wrong on the way is logged."""
        with contextlib.closing(self._waiter):
            self._tied.start()
            self._waiter.watch(self._post.channel.fileno(), self._on_orders)
            self._waiter.watch(self._signals.fileno(), self._on_signals)
            # What came before this was watched.
            self._waiter.call(self._on_signals)
            self._show("booting")
            self._tick()
            self._shared.has_loaded()
            # The channel is watched from here on, so the parent's end is noticed.
            outlive_parent()
            self._post.channel.send(News.LOADED)
            while not self._over:
                self._turn()
            self._close_listeners()
            self._tied.report(self._slot)
            self._tied.stop()
            self._slot.release()

    def _turn(self) -> None:
        try:
            self._waiter.wait()
        except Exception:  # noqa: BLE001  clients are being served: one thing that fails must not end that
            self._log.exception("worker %d serves on after an error in its main loop", self._post.number)

    def _later(self, seconds: float, callback: Callable[[], object]) -> None:
        self._waiter.call(lambda: self._waiter.later(seconds, callback))

    def _look_again(self) -> None:
        """From the engine's threads: there may be nothing left to do."""
        self._waiter.call(self._look)

    def _show(self, state: str) -> None:
        """The slot first: it is what other processes decide by."""
        self._state = state
        self._slot.set_state(state)
        title.show(self._shared.cfg.proc_name, self._shared.generation, state, f"worker {self._post.number}")

    @property
    def _leaves(self) -> bool:
        return self._state in ("retiring", "draining")

    # the clock

    def _tick(self) -> None:
        self._waiter.later(LEAVING_TICK if self._leaves else TICK, self._tick)
        self._worker.notify()
        if os.getppid() != self._worker.ppid:
            # Not only by the channel's end of file: a process that the server has started may hold a copy of it.
            self._orphaned()
        self._tied.report(self._slot)
        requests = self._tied.engine.counters.requests
        if self._state == "serving":
            self._level()
            if requests >= self._worker.max_requests:
                self._ask_to_leave(f"max_requests: {requests} requests answered")
        self._look()

    def _level(self) -> None:
        """Leave to siblings what is more than our share, and while no thread is free here, all that they can take."""
        was_stuck = self._share.stuck
        counters = self._tied.engine.counters
        excess = self._share.excess(self._tied.connections, counters.in_flight)
        if self._share.stuck != was_stuck:
            self._tied.welcome(not self._share.stuck)
        if excess:
            self._tied.level(excess)
            self._tied.report(self._slot)

    def _look(self) -> None:
        """While leaving: send what could not be sent, say what is left, go when that is nothing."""
        if not self._leaves or self._over:
            return
        self._tied.flush()
        if self._for_good and self._tied.empty():
            self._over = True
        self._tell_status()

    def _tell_status(self, *, anew: bool = False) -> None:
        status = self._tied.connections, self._tied.waiting
        if anew or status != self._status:
            sent = self._post.channel.send(News.STATUS, connections=status[0], waiting=status[1])
            self._status = status if sent else None

    # orders

    def _on_orders(self) -> None:
        for message in self._post.channel.receive():
            self._carry_out(message)
        if self._post.channel.closed:
            self._waiter.unwatch(self._post.channel.fileno())
            self._orphaned()

    def _carry_out(self, message: Message) -> None:
        order = Order(message.what)
        if order is Order.ADOPT:
            self._adopt(message)
            return
        close_all(message.fds)
        if order is Order.RETIRE:
            facts = message.facts
            self._retire(facts["takes"], alone=facts.get("alone", False), moves=facts.get("moves", True))
        else:
            _ORDERS[order](self)

    def _accept(self) -> None:
        self._tied.open()
        self._show("serving")
        self._post.channel.send(News.ACCEPTING)

    def _adopt(self, message: Message) -> None:
        for fd in message.fds:
            self._tied.adopt(socket.socket(fileno=fd), message.facts["key"])

    def _retire(self, takes: Collection[str], *, alone: bool, moves: bool = True) -> None:
        """Hand over to whoever serves; `alone`: to our siblings, and nobody will ask for us again."""
        self._leave("retiring")
        self._tied.retire(takes, moves=moves)
        if alone:
            self._for_good = True
            self._set_deadline(float(self._shared.cfg.retire_timeout))
        self._tell_status(anew=True)
        self._waiter.later(0, self._look)

    def _drain(self) -> None:
        self._leave("draining")
        self._tied.drain()
        self._for_good = True
        self._waiter.later(0, self._look)

    def _leave(self, state: str) -> None:
        self._show(state)
        draining.set()
        if self._deadline is not None:
            self._deadline.cancel()

    def _take_back(self) -> None:
        self._for_good = self._spent = False
        self._tied.take_back()
        draining.clear()
        self._show("serving")

    def _release(self) -> None:
        """Close, never shut down: others have the same sockets."""
        self._for_good = True
        self._tied.release_listeners()
        self._close_listeners()
        self._look()

    def _close_listeners(self) -> None:
        for listener in self._shared.listeners:
            listener.close()

    def _reopen(self) -> None:
        self._log.reopen()

    # the end

    def _set_deadline(self, seconds: float) -> None:
        if seconds > 0:
            self._deadline = self._waiter.later(seconds, self._too_late)

    def _too_late(self) -> None:
        now = time.monotonic()
        for request in self._hammer():
            self._log.warning("cut %s %s after %.1f s", request.method, request.path, now - request.started)

    def _hammer(self) -> list[InFlight]:
        cut = self._tied.hammer()
        shown = [(item.method, item.path[:_PATH_SHOWN], item.started) for item in cut[:_CUT_SHOWN]]
        self._post.channel.send(News.CUT, requests=shown)
        self._over = True
        return cut

    def _ask_to_leave(self, reason: str) -> None:
        """The replacement is there before we are told to go."""
        if not self._spent:
            self._spent = True
            self._log.info("worker %d asks for a replacement (%s)", self._post.number, reason)
            self._post.channel.send(News.SPENT, reason=reason)

    def _orphaned(self) -> None:
        """The server process is gone. Its workers leave, all of them: nobody would ever restart or stop them."""
        if self._orphan or self._over:
            return
        self._orphan = True
        if self._state == "booting":
            self._over = True
            return
        self._log.warning("worker %d finishes and leaves: its server process is gone", self._post.number)
        if not self._leaves:
            # A successor of our server, or its predecessor that takes back, may take the connections.
            self._retire(self._keys, alone=False)
        self._waiter.later(ORPHAN_PATIENCE, self._orphan_decides)

    def _orphan_decides(self) -> None:
        received = self._shared.board.receiving()
        if not received:
            self._drain()
        self._set_deadline(float(self._shared.cfg.retire_timeout if received else self._shared.cfg.graceful_timeout))
        self._release()

    # signals

    def _on_signals(self) -> None:
        for number in self._signals.take():
            self._log.debug("worker %d received %s", self._post.number, number.name)
            _SIGNALS[number](self)

    def _on_int(self) -> None:
        if not self._leaves:
            self._waiter.later(INT_PATIENCE, self._quit_if_not_leaving)

    def _quit_if_not_leaving(self) -> None:
        if not self._leaves:
            self._quit()

    def _quit(self) -> None:
        self._shared.cfg.worker_int(self._worker)
        self._too_late()

    def _abort(self) -> None:
        self._worker.alive = False
        self._shared.cfg.worker_abort(self._worker)
        raise SystemExit(1)

    def _ignore(self) -> None:
        """Meant for the server process; whoever signals all processes of a name means that one."""


_ORDERS: dict[Order, Callable[[Duty], object]] = {
    Order.ACCEPT: Duty._accept,
    Order.DRAIN: Duty._drain,
    Order.TAKE_BACK: Duty._take_back,
    Order.RELEASE: Duty._release,
    Order.HAMMER: Duty._hammer,
    Order.REOPEN: Duty._reopen,
}

_SIGNALS: dict[signal.Signals, Callable[[Duty], object]] = {
    signal.SIGTERM: lambda duty: duty._ask_to_leave("SIGTERM"),
    signal.SIGINT: Duty._on_int,
    signal.SIGQUIT: Duty._quit,
    signal.SIGABRT: Duty._abort,
    signal.SIGUSR1: Duty._reopen,
    signal.SIGHUP: Duty._ignore,
    signal.SIGUSR2: Duty._ignore,
    signal.SIGTTIN: Duty._ignore,
    signal.SIGTTOU: Duty._ignore,
    signal.SIGWINCH: Duty._ignore,
}
