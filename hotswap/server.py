"""One generation, from start to exit. Start reading at `Server.run`."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from hotswap import applications, boot, foreground, neighbours, worker_classes
from hotswap.birth import FIRST_LISTENER, HERE
from hotswap.crew import preload
from hotswap.departure import Departure, Heir
from hotswap.engine.tls import context_of
from hotswap.equipment import Equipment
from hotswap.errors import BootError, HotswapError
from hotswap.events import draining
from hotswap.lifecycle.states import Action, Event, State
from hotswap.lifecycle.transitions import transition
from hotswap.process import claimed, name_threads_that_stay, surroundings
from hotswap.settings import Config, check, from_keywords
from hotswap.system import exchange as wire
from hotswap.system.signals import REMEMBERED, SignalQueue

#: How often the counters on the scoreboard are brought up to date (seconds).
REPORT = 1.0


class Server:
    """A WSGI application on one or several addresses, replaced by its next version on SIGHUP.

    `app` is a WSGI callable, a mapping of address to WSGI callable, or an ASGI callable, which forked workers serve.
    `address` is `host:port`, `[v6]:port`, `:port`, `unix:/path`, `unix:@abstract`, `fd://N`, or a sequence of these;
    default `127.0.0.1:5000`. Keywords are gunicorn's settings, hotswap's own and the arguments of Flask's `app.run()`.
    Raises UsageError, SettingError or AddressError, before anything is started.
    """

    def __init__(self, app: Any, address: applications.Address = None, **settings: Any) -> None:
        self._set_up(from_keywords(settings, applications.addresses_of(app, address)), app)

    @classmethod
    def from_config(cls, cfg: Config, app: Any) -> Server:
        """A server of settings that are made already, as `hotswap run` makes them."""
        server = cls.__new__(cls)
        server._set_up(cfg, app)
        return server

    def _set_up(self, cfg: Config, app: Any) -> None:
        self._worker_class = worker_classes.settle(cfg, app)
        check(cfg)
        worker_classes.must_fit(app, cfg, self._worker_class)
        self.cfg = cfg
        self.generation = HERE.generation
        self.state = State.BOOTING
        #: where this server listens, as URLs; known when the step "begin" is called
        self.listening: list[str] = []
        self._apps: Mapping[str, applications.WSGIApp] = applications.by_key(app, cfg)
        if cfg.workers:
            # Before anything of ours is there that looks like something of the application's.
            preload.check()
        self._kit: Equipment
        self._departure: Departure | None = None
        self._signals = SignalQueue(HERE.remembered)

    # the story

    def run(self) -> str:
        """Serve until told to stop ("stopped") or until a successor has taken over ("retired"); returns which.

        Must be called on the main thread. Raises UsageError, BindError or BootError if it cannot become ready. Signal
        handlers, the wake-up descriptor and the exception hook are given back.
        """
        with claimed(), contextlib.ExitStack() as stack:
            self._boot(stack)
            self._serve(stack)
            while self.state is not State.GONE:
                self._turn()
            how = self._leave()
            stays = how == "retired" and self.generation == 1 and bool(self.cfg.reload)
            board_fd = os.dup(self._kit.board.fileno()) if stays else -1
        if stays:
            foreground.stay(board_fd, self._kit.log)
        return how

    def stop(self) -> None:
        """Drain and stop, as SIGTERM does; from any thread."""
        self._signals.push(signal.SIGTERM)

    def restart(self) -> None:
        """Start a successor, as SIGHUP does; from any thread."""
        self._signals.push(signal.SIGHUP)

    # boot: everything that can fail

    def _boot(self, stack: contextlib.ExitStack) -> None:
        handoff = HERE.claim()
        try:
            if HERE.error:
                raise BootError(HERE.error)
            stack.enter_context(surroundings(self.cfg))
            with boot.reserved(FIRST_LISTENER, len(self._apps)):
                kit = self._kit = Equipment(
                    stack, self.cfg, self._apps, self._worker_class, self._signals, self.restart
                )
                kit.calls.at("starting", self)
            # Before anything is forked: workers share what is made here.
            context_of(self.cfg)
            self.listening = kit.listen(handoff)
            kit.equip(handoff, self._on_news, self._look_again)
            kit.check()
            kit.presence.prepare(", ".join(self.listening))
        except Exception as error:
            if HERE.predecessor is not None:
                HERE.predecessor.failed_with(type(error), error, error.__traceback__)
            raise

    # serving

    def _serve(self, stack: contextlib.ExitStack) -> None:
        """Accept first, say so afterwards: whoever hears "ready" may connect at once.

        Until here SIGTERM and SIGINT have their own way, which ends a boot that hangs.
        """
        stack.enter_context(self._signals)
        # After the signals, so that it ends before them: a change is a signal of our own.
        stack.callback(self._kit.watch.close)
        for address in self.listening:
            self._kit.calls.at("begin", address)
        draining.clear()
        self._kit.crew.open()
        self._dispatch(Event.BOOTED)
        self._kit.calls.lenient = True
        predecessor, HERE.predecessor = HERE.predecessor, None
        self._kit.presence.serving()
        self._kit.log.info("serving at %s", ", ".join(self.listening))
        if predecessor is None or not predecessor.succeed(**self._takes()):
            self._kit.presence.main_process()
            self._kit.restarts.end_orphaned()
        self._kit.calls.at("ready", self)
        self._kit.waiter.watch(self._signals.fileno(), self._on_signals)
        # What came while we booted lies in the queue without a byte in the pipe.
        self._kit.waiter.call(self._on_signals)
        self._report()

    def _takes(self) -> dict[str, object]:
        """What we receive over the exchange; the predecessor sends nothing else."""
        return {
            "generation": self.generation,
            # On a scoreboard of our own the predecessor could not see whether we still receive. gunicorn's workers
            # never do.
            "exchange": wire.VERSION if self._kit.board_is_shared and self._worker_class is None else 0,
            "on_board": self._kit.board_is_shared,
            "listeners": [listener.key for listener in self._kit.listeners],
            "proxy_protocol": self.cfg.proxy_protocol,
            "tls": self.cfg.is_ssl,
            "hup": signal.SIGHUP in self._signals,
        }

    def _report(self) -> None:
        self._kit.crew.report(self._kit.slot)
        self._kit.slot.beat()
        if self._departure is not None:
            self._kit.presence.show(self.state, self._kit.crew.connections)
        elif self.state is State.SERVING and neighbours.younger(self._kit.board, self._kit.slot) is not None:
            self._dispatch(Event.SUPERSEDED)
        self._kit.waiter.later(REPORT, self._report)
        if self.state is State.SERVING:
            self._kit.hooks.measure()

    # what happens

    def _turn(self) -> None:
        """Wait for the next thing and do it. Whatever goes wrong there (a full disk under the pid file, a fault of
        ours), clients are being served meanwhile: it is logged, and the next thing is waited for."""
        try:
            self._kit.waiter.wait()
        except Exception:
            self._kit.log.exception("serving on after an error in the main loop")

    def _on_signals(self) -> None:
        """The ready pipe first: a SIGTERM means something else when the successor has said that it is ready."""
        for number in self._signals.take():
            self._kit.restarts.poll()
            self._kit.log.debug("received %s", number.name)
            self._kit.calls.at_signal(number, "before")
            self._dispatch(Event(number.name))
            self._kit.calls.at_signal(number, "after")

    def _on_news(self, event: Event) -> None:
        """The successor's news. Once we leave, whether its exit means anything is the departure's question."""
        if event is Event.FAILED:
            # It may have sent its SIGTERM before it died: read after FAILED, it would stop the whole server.
            self._on_signals()
        if self._departure is not None:
            self._departure.look()
        else:
            self._dispatch(event)

    def _look_again(self) -> None:
        """From the engine's threads: there may be nothing left to do."""
        self._kit.waiter.call(self._look)

    def _look(self) -> None:
        if self._departure is not None:
            self._departure.look()

    def _dispatch(self, event: Event) -> None:
        """Look up what the event does, then do it. The new state is visible before anything is done: another process
        must not count on us any more when we begin to leave."""
        step = transition(self.state, event)
        if step.says:
            self._kit.log.info("%s", step.says)
        if step.next is not self.state:
            self.state = step.next
            self._kit.presence.show(step.next)
        for action in step.actions:
            _ACTIONS[action](self)

    # actions, in the order of a life

    def _start_successor(self) -> None:
        self._kit.presence.restarting()
        self._kit.calls.at("restarting", self)
        if not self._kit.restarts.start():
            self._dispatch(Event.FAILED)

    def _remember(self) -> None:
        self._kit.restarts.remembered = True

    def _announce_successor(self) -> None:
        succession = self._kit.restarts.ready()
        self._kit.presence.handed_to(succession.successor.pid, succession.generation)

    def _report_failure(self) -> None:
        why = self._kit.restarts.failed()
        self._kit.watch.failed(why, self._kit.restarts.failed_files)
        self._kit.log.error("restart failed, generation %d serves on: %s", self.generation, why)
        self._kit.presence.restart_failed(why)
        self._kit.calls.at("restart_failed", self, why)

    def _start_if_remembered(self) -> None:
        if self._kit.restarts.remembered:
            self._dispatch(Event.HUP)

    def _retire(self) -> None:
        succession = self._kit.restarts.succeeded()
        takes = succession.takes
        self._kit.crew.retire(takes.get("listeners", ()), moves=self._moves_to(takes))
        self._kit.log.info("generation %d (pid %d) serves: retiring", succession.generation, succession.successor.pid)
        successor = succession.successor
        on_board = bool(takes.get("on_board", takes.get("exchange")))
        heir = Heir(successor.exited, lambda: successor.returncode, on_board=on_board)
        self._depart("retiring", float(self.cfg.retire_timeout), heir)

    def _retire_to_younger(self) -> None:
        younger = neighbours.younger(self._kit.board, self._kit.slot)
        if younger is None:
            # Gone in between: as if it had been our successor, and lost at once.
            heir = Heir(lambda: True, lambda: None, on_board=True)
        else:
            pid = younger.pid
            heir = Heir(lambda: not self._kit.board.alive(pid), lambda: None, on_board=True)
        keys = [listener.key for listener in self._kit.listeners]
        self._kit.crew.retire(keys, moves=self._kit.board.receiving())
        self._depart("retiring", float(self.cfg.retire_timeout), heir)

    def _moves_to(self, takes: Mapping[str, Any]) -> bool:
        """Whether the successor reads our connections as we do: expects no TLS and no PROXY header where none was,
        and knows what one said."""
        return (
            takes.get("exchange") == wire.VERSION
            and takes.get("proxy_protocol", "off") == self.cfg.proxy_protocol
            and not takes.get("tls")
        )

    def _drain(self) -> None:
        self._kit.log.info("draining: no new connections, finishing what runs")
        self._kit.presence.draining()
        self._kit.crew.drain()
        # Before the callbacks: a slow one must not make clients hang that connect meanwhile.
        self._release_listeners()
        self._depart("draining", float(self.cfg.graceful_timeout), None)

    def _depart(self, step: str, deadline: float, heir: Heir | None) -> None:
        self._departure = Departure(
            self._kit.crew, self._kit.board, self._kit.waiter, self._dispatch, self._release_listeners, deadline, heir,
            self._kit.restarts.lives,
        )  # fmt: skip
        draining.set()
        self._kit.calls.at(step, self)

    def _release_listeners(self) -> None:
        """Close, never shut down: the successor has the same sockets. A path goes only with the whole server."""
        self._kit.crew.release_listeners()
        for listener in self._kit.listeners:
            if self.state is State.DRAINING:
                listener.remove_path()
            listener.close()

    def _take_back(self) -> None:
        if self._departure is not None:
            self._departure.cancel()
            self._departure = None
        self._kit.log.warning("the successor is lost: generation %d serves again", self.generation)
        self._kit.restarts.lost()
        self._kit.crew.take_back()
        draining.clear()
        self._kit.calls.at("resumed", self)

    def _reappear(self) -> None:
        try:
            self._kit.presence.taken_back()
        except HotswapError as error:
            # We are the last to serve: a pid file that cannot be written must not keep us from it.
            self._kit.log.error("%s", error)

    def _pass_on(self) -> None:
        """A HUP for a server that has moved on belongs to whoever serves now."""
        heard = neighbours.pass_on(self._kit.board, signal.SIGHUP)
        # Whoever hears it may be dying: should it be us who serve again, this HUP still gets its restart.
        self._kit.restarts.remembered = True
        if heard is None:
            self._kit.log.warning("SIGHUP while leaving: nobody serves that it could be passed on to")
        else:
            self._kit.log.info("SIGHUP passed on to generation %d (pid %d)", heard.generation, heard.pid)

    def _pass_on_if_remembered(self) -> None:
        if self._kit.restarts.remembered:
            self._pass_on()

    def _hammer(self) -> None:
        cut = self._kit.crew.hammer()
        self._kit.calls.at("hammer", self, cut)
        now = time.monotonic()
        for request in cut:
            self._kit.log.warning("cut %s %s after %.1f s", request.method, request.path, now - request.started)

    def _reopen_logs(self) -> None:
        self._kit.log.reopen()
        self._kit.crew.reopen_logs()
        self._kit.log.info("log files reopened")

    def _suspend(self) -> None:
        self._kit.log.info("suspended by SIGTSTP, until SIGCONT")
        self._kit.crew.suspend()
        self._signals.suspend()
        self._kit.crew.resume()
        self._kit.log.info("resumed by SIGCONT")

    # the end

    def _leave(self) -> str:
        """What is left to do when nothing runs any more; returns what `run` returns."""
        retired = self._departure is not None and self._departure.heir is not None
        how = "retired" if retired else "stopped"
        if self._departure is not None:
            self._departure.cancel()
        draining.set()
        # While the pid file and the scoreboard still say that we are here: a job may take a while.
        self._kit.end_of_work()
        self._kit.crew.report(self._kit.slot)
        heir = self._kit.restarts.forget()
        self._kit.presence.gone(stopped=not retired, heir=heir)
        if retired:
            # A late one, meant for the server, must not kill what the program does after serve().
            for number in (signal.SIGTERM, *REMEMBERED):
                self._signals.ignore_from_now_on(number)
        else:
            self._kit.board.unlink()
        self._kit.log.info("%s", how)
        self._kit.calls.at("stopped", self, how)
        name_threads_that_stay(self._kit.log)
        return how


_ACTIONS: dict[Action, Callable[[Server], object]] = {
    Action.IGNORE: lambda server: None,
    Action.DEFER: lambda server: None,
    Action.START_SUCCESSOR: Server._start_successor,
    Action.REMEMBER: Server._remember,
    Action.START_IF_REMEMBERED: Server._start_if_remembered,
    Action.PASS_ON: Server._pass_on,
    Action.PASS_ON_IF_REMEMBERED: Server._pass_on_if_remembered,
    Action.REAPPEAR: Server._reappear,
    Action.REPORT_FAILURE: Server._report_failure,
    Action.ANNOUNCE_SUCCESSOR: Server._announce_successor,
    Action.STOP_SUCCESSOR: lambda server: server._kit.restarts.stop(),
    Action.KILL_SUCCESSOR: lambda server: server._kit.restarts.kill(),
    Action.RETIRE: Server._retire,
    Action.RETIRE_TO_YOUNGER: Server._retire_to_younger,
    Action.DRAIN: Server._drain,
    Action.TAKE_BACK: Server._take_back,
    Action.HAMMER: Server._hammer,
    Action.REOPEN_LOGS: Server._reopen_logs,
    Action.MORE_WORKERS: lambda server: server._kit.crew.more_workers(),
    Action.FEWER_WORKERS: lambda server: server._kit.crew.fewer_workers(),
    Action.SUSPEND: Server._suspend,
}
