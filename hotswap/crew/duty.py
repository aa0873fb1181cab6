"""One worker's life, from the moment its application is loaded: it carries out orders, and leaves without an order only
when the server process is gone."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Collection, Mapping
from typing import Any

from hotswap.crew.channel import Message, News, Order, close_all
from hotswap.crew.forking import outlive_parent
from hotswap.crew.post import Post
from hotswap.crew.shift import Shift
from hotswap.engine import InFlight, Service
from hotswap.engine.model import Application
from hotswap.events import draining
from hotswap.system import title
from hotswap.system.signals import SignalQueue

#: How long a SIGINT waits for an order: Ctrl-C reaches the server process too, which then says how to leave (seconds).
INT_PATIENCE = 0.5
#: How long a worker whose server process is gone waits for somebody who takes its connections (seconds).
ORPHAN_PATIENCE = 1.0
#: What is told of a cut request at most (characters), and of how many.
_PATH_SHOWN, _CUT_SHOWN = 200, 100


class Duty(Shift):
    """Runs one tied engine by the orders that come over the control channel. `worker` is gunicorn's object."""

    def __init__(self, worker: Any, post: Post, signals: SignalQueue, apps: Mapping[str, Application]) -> None:
        shared = self._shared = post.shared
        self._post = post
        self._keys = [listener.key for listener in shared.listeners]
        self._for_good = self._spent = self._orphan = False
        self._status: tuple[int, int] | None = None
        super().__init__(
            worker, f"worker {post.number}", shared.cfg, shared.log, signals, self._services(apps), shared.exchange,
            shared.board, shared.board.take_slot(shared.generation, "worker"),
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

    def _show(self, state: str) -> None:
        """The slot first: it is what other processes decide by."""
        super()._show(state)
        title.show(self._shared.cfg.proc_name, self._shared.generation, state, f"worker {self._post.number}")

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
        self._shared.log.reopen()

    # the end

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

    def _act(self, number: signal.Signals) -> None:
        _SIGNALS[number](self)

    def _on_int(self) -> None:
        if not self._leaves:
            self._waiter.later(INT_PATIENCE, self._quit_if_not_leaving)

    def _quit_if_not_leaving(self) -> None:
        if not self._leaves:
            self._quit()


_ORDERS: dict[Order, Callable[[Duty], object]] = {
    Order.ACCEPT: Duty._accept,
    Order.DRAIN: Duty._drain,
    Order.TAKE_BACK: Duty._take_back,
    Order.RELEASE: Duty._release,
    Order.HAMMER: Duty._hammer,
    Order.REOPEN: Duty._reopen,
}

#: Meant for the server process: whoever signals all processes of a name means that one.
_NOT_FOR_WORKERS = (signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH)
_SIGNALS: dict[signal.Signals, Callable[[Duty], object]] = {
    signal.SIGTERM: lambda duty: duty._ask_to_leave("SIGTERM"),
    signal.SIGINT: Duty._on_int,
    signal.SIGQUIT: Duty._quit,
    signal.SIGABRT: Duty._abort,
    signal.SIGUSR1: Duty._reopen,
    **dict.fromkeys(_NOT_FOR_WORKERS, lambda duty: None),
}
