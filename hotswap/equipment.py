"""What a generation has: taken over or made while it boots, given back in the opposite order."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hotswap import boot, crews, debugger
from hotswap.applications import WSGIApp
from hotswap.birth import HERE
from hotswap.calling import Calling
from hotswap.crew.protocol import Crew
from hotswap.hooks import ArbiterView, OnlyWorker
from hotswap.lifecycle.handoff import Handoff
from hotswap.lifecycle.states import Event
from hotswap.listening import open_listeners
from hotswap.logs import Log
from hotswap.presence import Presence
from hotswap.process import switch_interval
from hotswap.restarts import Restarts
from hotswap.settings import Config
from hotswap.system import exchange as wire
from hotswap.system.forks import withhold
from hotswap.system.listeners import Listener
from hotswap.system.notify import Notifier
from hotswap.system.signals import SignalQueue
from hotswap.system.waiter import Waiter
from hotswap.watching import Watch


class Equipment:
    """Made in three steps, in this order: the constructor, `listen`, `equip`. Whatever fails there fails the boot.

    `stack` gives everything back. `restart()` is what the file watch calls.
    """

    listeners: Sequence[Listener]
    exchange: wire.Exchange
    presence: Presence
    restarts: Restarts
    crew: Crew

    def __init__(
        self,
        stack: contextlib.ExitStack,
        cfg: Config,
        apps: Mapping[str, WSGIApp],
        worker_class: type[Any] | None,
        signals: SignalQueue,
        restart: Callable[[], object],
    ) -> None:
        self._stack = stack
        self._cfg = cfg
        self._apps = apps
        self._worker_class = worker_class
        self._signals = signals
        self.waiter = stack.enter_context(contextlib.closing(Waiter()))
        self.log = Log(cfg, HERE.generation)
        self.hooks = ArbiterView(cfg, self.log, apps)
        self.watch = Watch(cfg, self.log, restart)
        self.calls = Calling(self.log, self.hooks.call, self.watch.at)
        #: ends what the hook post_worker_init has begun, in single mode
        self.end_of_work: Callable[[], object] = lambda: None

    # listeners

    def listen(self, handoff: Handoff | None) -> list[str]:
        """Take over, inherit or bind the listeners; returns where this server listens, as URLs. Raises BindError."""
        tell_predecessor("binding")
        self.listeners = open_listeners(self._cfg, handoff, os.environ, self.log)
        for listener in self.listeners:
            self._stack.callback(listener.close)
        self._stack.callback(withhold(lambda: [listener.fileno() for listener in self.listeners]))
        self.hooks.listens_at(self.listeners)
        scheme = "https:" if self._cfg.is_ssl else "http:"
        return [listener.url.replace("http:", scheme, 1) for listener in self.listeners]

    # all the rest

    def equip(
        self, handoff: Handoff | None, on_news: Callable[[Event], object], look_again: Callable[[], None]
    ) -> None:
        """Scoreboard, exchange, and the crew, which is started; nothing is accepted yet. Raises BootError.

        `on_news` gets the successors' news; `look_again` is called, from any thread, when nothing may be left to do.
        """
        cfg, stack = self._cfg, self._stack
        wire.raise_nofile_limit()
        stack.enter_context(switch_interval(cfg.switch_interval))
        self._open_board(handoff)
        self.exchange = boot.open_exchange(handoff)
        stack.callback(self.exchange.close)
        stack.callback(withhold(lambda: [self.exchange.send_fd, self.exchange.receive_fd]))
        environ = HERE.origin.environ
        pidfile = boot.open_pidfile(cfg.pidfile, handoff, environ) if cfg.pidfile else None
        notifier = Notifier.from_environ(environ)
        self.presence = Presence(cfg.proc_name, HERE.generation, self.slot, pidfile, notifier)
        self._apps = debugger.wrapped(self._apps, cfg, self.log)
        self.restarts = Restarts(HERE, cfg, self.log, self.waiter, self.board, self.exchange, self.listeners, on_news)
        stack.callback(self.restarts.forget)
        self._start_crew(look_again)

    def _open_board(self, handoff: Handoff | None) -> None:
        name = self._cfg.name or self.listeners[0].bound
        self.board, self.board_is_shared = boot.open_scoreboard(handoff, self._cfg.run_dir, name)
        self._stack.callback(self.board.close)
        if self.board.why_no_path:
            self.log.warning("hotswap status needs the pid of this server: %s", self.board.why_no_path)
        self.slot = self.board.take_slot(HERE.generation, "server", aloof=self._cfg.workers > 0)

    def _start_crew(self, look_again: Callable[[], None]) -> None:
        forks = bool(self._cfg.workers)
        only_worker = OnlyWorker(self.hooks)
        self.crew = self._cluster(look_again) if forks else self._single(look_again, only_worker)
        self._stack.callback(self.crew.stop)
        tell_predecessor("loading workers" if forks else "starting threads")
        self.crew.start()
        if not forks:
            # Before the check, which may need what is opened here.
            self.end_of_work = self._stack.enter_context(self.hooks.working(only_worker))

    def _single(self, look_again: Callable[[], None], only_worker: OnlyWorker) -> Crew:
        return crews.single(
            self._cfg, self.log, self.listeners, self._apps, self.exchange, self.board,
            self._later, look_again, only_worker,
        )  # fmt: skip

    def _cluster(self, look_again: Callable[[], None]) -> Crew:
        return crews.cluster(
            self._cfg, self.log, self.listeners, self._apps, self.exchange, self.board,
            self.waiter, look_again, self.hooks, HERE.generation, self._let_go, self._has_loaded, self._worker_class,
        )  # fmt: skip

    def _later(self, seconds: float, callback: Callable[[], object]) -> None:
        """From any thread: call `callback` on the main thread, `seconds` from now."""
        self.waiter.call(lambda: self.waiter.later(seconds, callback))

    def check(self) -> None:
        """Send ourselves the request of the setting `check`, if there is one. Raises BootError."""
        if self._cfg.check:
            tell_predecessor(f"checking {self._cfg.check}")
            boot.check(self._cfg.check, lambda: self.crew.knock(self.listeners[0].key))

    # in a forked worker

    def _let_go(self, number: int) -> None:
        """Close what only the server process has, without touching what is behind it."""
        self.waiter.close()
        self._signals.abandon()
        self.restarts.abandon()
        if HERE.predecessor is not None and number == 1:
            # If loading hangs, it hangs here. One worker says where: what two write at once nobody can read.
            HERE.predecessor.watch_for_hang(float(self._cfg.boot_timeout))

    def _has_loaded(self) -> None:
        """The rest of it."""
        if HERE.predecessor is not None:
            HERE.predecessor.close()


def tell_predecessor(stage: str) -> None:
    """How far the boot is; `hotswap restart` shows it."""
    if HERE.predecessor is not None:
        HERE.predecessor.stage(stage)
