"""One generation, from start to exit. Start reading at `Server.run`."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from hotswap import applications, boot, crews, debugger, foreground, neighbours, worker_classes
from hotswap.birth import FIRST_LISTENER, HERE
from hotswap.calling import Calling
from hotswap.crew import preload
from hotswap.crew.protocol import Crew
from hotswap.departure import Departure, Heir
from hotswap.engine.tls import context_of
from hotswap.errors import BootError, HotswapError
from hotswap.events import draining
from hotswap.hooks import ArbiterView, OnlyWorker
from hotswap.lifecycle.handoff import Handoff
from hotswap.lifecycle.states import Action, Event, State
from hotswap.lifecycle.transitions import transition
from hotswap.listening import open_listeners
from hotswap.logs import Log
from hotswap.presence import Presence
from hotswap.process import claimed, name_threads_that_stay, surroundings, switch_interval
from hotswap.restarts import Restarts
from hotswap.settings import Config, check, from_keywords
from hotswap.system import exchange as wire
from hotswap.system.forks import withhold
from hotswap.system.notify import Notifier
from hotswap.system.pidfile import PidFile
from hotswap.system.signals import REMEMBERED, SignalQueue
from hotswap.system.waiter import Waiter
from hotswap.watching import Watch

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
        self._end_of_work: Callable[[], object] = lambda: None
        self._apps: Mapping[str, applications.WSGIApp] = applications.by_key(app, cfg)
        if cfg.workers:
            # Before anything of ours is there that looks like something of the application's.
            preload.check()
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
            board_fd = os.dup(self._board.fileno()) if stays else -1
        if stays:
            foreground.stay(board_fd, self._log)
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
                self._waiter = stack.enter_context(contextlib.closing(Waiter()))
                self._log = Log(self.cfg, self.generation)
                self._hooks = ArbiterView(self.cfg, self._log, self._apps)
                self._watch = Watch(self.cfg, self._log, self.restart)
                self._calls = Calling(self._log, self._hooks.call, self._watch.at)
                self._calls.at("starting", self)
            # Before anything is forked: workers share what is made here.
            context_of(self.cfg)
            self._listen(stack, handoff)
            self._equip(stack, handoff)
            self._check()
            self._presence.prepare(", ".join(self.listening))
        except Exception as error:
            if HERE.predecessor is not None:
                HERE.predecessor.failed_with(type(error), error, error.__traceback__)
            raise

    def _listen(self, stack: contextlib.ExitStack, handoff: Handoff | None) -> None:
        self._tell_predecessor("binding")
        self._listeners = open_listeners(self.cfg, handoff, os.environ, self._log)
        for listener in self._listeners:
            stack.callback(listener.close)
        stack.callback(withhold(lambda: [listener.fileno() for listener in self._listeners]))
        scheme = "https:" if self.cfg.is_ssl else "http:"
        self.listening = [listener.url.replace("http:", scheme, 1) for listener in self._listeners]
        self._hooks.listens_at(self._listeners)

    def _equip(self, stack: contextlib.ExitStack, handoff: Handoff | None) -> None:
        """Take or make what a generation needs; it is given back in the opposite order."""
        wire.raise_nofile_limit()
        stack.enter_context(switch_interval(self.cfg.switch_interval))
        name = self.cfg.name or self._listeners[0].bound
        self._board, self._board_is_shared = boot.open_scoreboard(handoff, self.cfg.run_dir, name)
        stack.callback(self._board.close)
        if self._board.why_no_path:
            self._log.warning("hotswap status needs the pid of this server: %s", self._board.why_no_path)
        self._slot = self._board.take_slot(self.generation, "server", aloof=self.cfg.workers > 0)
        self._exchange = boot.open_exchange(handoff)
        stack.callback(self._exchange.close)
        stack.callback(withhold(lambda: [self._exchange.send_fd, self._exchange.receive_fd]))
        pidfile = PidFile(self.cfg.pidfile) if self.cfg.pidfile else None
        notifier = Notifier.from_environ(HERE.origin.environ)
        self._presence = Presence(self.cfg.proc_name, self.generation, self._slot, pidfile, notifier)
        self._apps = debugger.wrapped(self._apps, self.cfg, self._log)
        self._restarts = Restarts(
            HERE, self.cfg, self._log, self._waiter, self._board, self._exchange, self._listeners, self._on_news
        )
        stack.callback(self._restarts.forget)
        self._crew = self._make_crew()
        stack.callback(self._crew.stop)
        self._tell_predecessor("loading workers" if self.cfg.workers else "starting threads")
        self._crew.start()
        if not self.cfg.workers:
            # Before the check, which may need what is opened here.
            self._end_of_work = stack.enter_context(self._hooks.working(self._only_worker))

    def _make_crew(self) -> Crew:
        given = (self.cfg, self._log, self._listeners, self._apps, self._exchange, self._board)
        if not self.cfg.workers:
            self._only_worker = OnlyWorker(self._hooks)
            return crews.single(*given, self._later, self._look_again, self._only_worker)
        return crews.cluster(
            *given, self._waiter, self._look_again, self._hooks, self.generation, self._let_go, self._has_loaded,
            self._worker_class,
        )  # fmt: skip

    def _let_go(self, number: int) -> None:
        """In a forked worker: close what only the server process has, without touching what is behind it."""
        self._waiter.close()
        self._signals.abandon()
        self._restarts.abandon()
        if HERE.predecessor is not None and number == 1:
            # If loading hangs, it hangs here. One worker says where: what two write at once nobody can read.
            HERE.predecessor.watch_for_hang(float(self.cfg.boot_timeout))

    def _has_loaded(self) -> None:
        """In a forked worker: the rest of it."""
        if HERE.predecessor is not None:
            HERE.predecessor.close()

    def _check(self) -> None:
        if self.cfg.check:
            self._tell_predecessor(f"checking {self.cfg.check}")
            boot.check(self.cfg.check, lambda: self._crew.knock(self._listeners[0].key))

    def _tell_predecessor(self, stage: str) -> None:
        if HERE.predecessor is not None:
            HERE.predecessor.stage(stage)

    # serving

    def _serve(self, stack: contextlib.ExitStack) -> None:
        """Accept first, say so afterwards: whoever hears "ready" may connect at once.

        Until here SIGTERM and SIGINT have their own way, which ends a boot that hangs.
        """
        stack.enter_context(self._signals)
        # After the signals, so that it ends before them: a change is a signal of our own.
        stack.callback(self._watch.close)
        for address in self.listening:
            self._calls.at("begin", address)
        draining.clear()
        self._crew.open()
        self._dispatch(Event.BOOTED)
        self._calls.lenient = True
        predecessor, HERE.predecessor = HERE.predecessor, None
        self._presence.serving()
        self._log.info("serving at %s", ", ".join(self.listening))
        if predecessor is None or not predecessor.succeed(**self._takes()):
            self._presence.main_process()
            self._restarts.end_orphaned()
        self._calls.at("ready", self)
        self._waiter.watch(self._signals.fileno(), self._on_signals)
        # What came while we booted lies in the queue without a byte in the pipe.
        self._waiter.call(self._on_signals)
        self._report()

    def _takes(self) -> dict[str, object]:
        """What we receive over the exchange; the predecessor sends nothing else."""
        return {
            "generation": self.generation,
            # On a scoreboard of our own the predecessor could not see whether we still receive. gunicorn's workers
            # never do.
            "exchange": wire.VERSION if self._board_is_shared and self._worker_class is None else 0,
            "on_board": self._board_is_shared,
            "listeners": [listener.key for listener in self._listeners],
            "proxy_protocol": self.cfg.proxy_protocol,
            "tls": self.cfg.is_ssl,
            "hup": signal.SIGHUP in self._signals,
        }

    def _report(self) -> None:
        self._crew.report(self._slot)
        self._slot.beat()
        if self._departure is not None:
            self._presence.show(self.state, self._crew.connections)
        elif self.state is State.SERVING and neighbours.younger(self._board, self._slot) is not None:
            self._dispatch(Event.SUPERSEDED)
        self._waiter.later(REPORT, self._report)
        if self.state is State.SERVING:
            self._hooks.measure()

    def _later(self, seconds: float, callback: Callable[[], object]) -> None:
        """From any thread: call `callback` on the main thread, `seconds` from now."""
        self._waiter.call(lambda: self._waiter.later(seconds, callback))

    # what happens

    def _turn(self) -> None:
        """Wait for the next thing and do it. Whatever goes wrong there (a full disk under the pid file, a fault of
        ours), clients are being served meanwhile: it is logged, and the next thing is waited for."""
        try:
            self._waiter.wait()
        except Exception:  # noqa: BLE001  (see above)
            self._log.exception("serving on after an error in the main loop")

    def _on_signals(self) -> None:
        """The ready pipe first: a SIGTERM means something else when the successor has said that it is ready."""
        for number in self._signals.take():
            self._restarts.poll()
            self._log.debug("received %s", number.name)
            self._calls.at_signal(number, "before")
            self._dispatch(Event(number.name))
            self._calls.at_signal(number, "after")

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
        self._waiter.call(self._look)

    def _look(self) -> None:
        if self._departure is not None:
            self._departure.look()

    def _dispatch(self, event: Event) -> None:
        """Look up what the event does, then do it. The new state is visible before anything is done: another process
        must not count on us any more when we begin to leave."""
        step = transition(self.state, event)
        if step.says:
            self._log.info("%s", step.says)
        if step.next is not self.state:
            self.state = step.next
            self._presence.show(step.next)
        for action in step.actions:
            _ACTIONS[action](self)

    # actions, in the order of a life

    def _start_successor(self) -> None:
        self._presence.restarting()
        self._calls.at("restarting", self)
        if not self._restarts.start():
            self._dispatch(Event.FAILED)

    def _remember(self) -> None:
        self._restarts.remembered = True

    def _announce_successor(self) -> None:
        succession = self._restarts.ready()
        self._presence.handed_to(succession.successor.pid, succession.generation)

    def _report_failure(self) -> None:
        why = self._restarts.failed()
        self._watch.failed(why, self._restarts.failed_files)
        self._log.error("restart failed, generation %d serves on: %s", self.generation, why)
        self._presence.restart_failed(why)
        self._calls.at("restart_failed", self, why)

    def _start_if_remembered(self) -> None:
        if self._restarts.remembered:
            self._dispatch(Event.HUP)

    def _retire(self) -> None:
        succession = self._restarts.succeeded()
        takes = succession.takes
        self._crew.retire(takes.get("listeners", ()), moves=self._moves_to(takes))
        self._log.info("generation %d (pid %d) serves: retiring", succession.generation, succession.successor.pid)
        successor = succession.successor
        on_board = bool(takes.get("on_board", takes.get("exchange")))
        heir = Heir(successor.exited, lambda: successor.returncode, on_board=on_board)
        self._depart("retiring", float(self.cfg.retire_timeout), heir)

    def _retire_to_younger(self) -> None:
        younger = neighbours.younger(self._board, self._slot)
        if younger is None:
            # Gone in between: as if it had been our successor, and lost at once.
            heir = Heir(lambda: True, lambda: None, on_board=True)
        else:
            pid = younger.pid
            heir = Heir(lambda: not self._board.alive(pid), lambda: None, on_board=True)
        keys = [listener.key for listener in self._listeners]
        self._crew.retire(keys, moves=self._board.receiving())
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
        self._log.info("draining: no new connections, finishing what runs")
        self._presence.draining()
        self._crew.drain()
        # Before the callbacks: a slow one must not make clients hang that connect meanwhile.
        self._release_listeners()
        self._depart("draining", float(self.cfg.graceful_timeout), None)

    def _depart(self, step: str, deadline: float, heir: Heir | None) -> None:
        self._departure = Departure(
            self._crew, self._board, self._waiter, self._dispatch, self._release_listeners, deadline, heir,
            self._restarts.lives,
        )  # fmt: skip
        draining.set()
        self._calls.at(step, self)

    def _release_listeners(self) -> None:
        """Close, never shut down: the successor has the same sockets. A path goes only with the whole server."""
        self._crew.release_listeners()
        for listener in self._listeners:
            if self.state is State.DRAINING:
                listener.remove_path()
            listener.close()

    def _take_back(self) -> None:
        if self._departure is not None:
            self._departure.cancel()
            self._departure = None
        self._log.warning("the successor is lost: generation %d serves again", self.generation)
        self._restarts.lost()
        self._crew.take_back()
        draining.clear()
        self._calls.at("resumed", self)

    def _reappear(self) -> None:
        try:
            self._presence.taken_back()
        except HotswapError as error:
            # We are the last to serve: a pid file that cannot be written must not keep us from it.
            self._log.error("%s", error)

    def _pass_on(self) -> None:
        """A HUP for a server that has moved on belongs to whoever serves now."""
        heard = neighbours.pass_on(self._board, signal.SIGHUP)
        # Whoever hears it may be dying: should it be us who serve again, this HUP still gets its restart.
        self._restarts.remembered = True
        if heard is None:
            self._log.warning("SIGHUP while leaving: nobody serves that it could be passed on to")
        else:
            self._log.info("SIGHUP passed on to generation %d (pid %d)", heard.generation, heard.pid)

    def _pass_on_if_remembered(self) -> None:
        if self._restarts.remembered:
            self._pass_on()

    def _hammer(self) -> None:
        cut = self._crew.hammer()
        self._calls.at("hammer", self, cut)
        now = time.monotonic()
        for request in cut:
            self._log.warning("cut %s %s after %.1f s", request.method, request.path, now - request.started)

    def _reopen_logs(self) -> None:
        self._log.reopen()
        self._crew.reopen_logs()
        self._log.info("log files reopened")

    def _suspend(self) -> None:
        self._log.info("suspended by SIGTSTP, until SIGCONT")
        self._crew.suspend()
        self._signals.suspend()
        self._crew.resume()
        self._log.info("resumed by SIGCONT")

    # the end

    def _leave(self) -> str:
        """What is left to do when nothing runs any more; returns what `run` returns."""
        retired = self._departure is not None and self._departure.heir is not None
        how = "retired" if retired else "stopped"
        if self._departure is not None:
            self._departure.cancel()
        draining.set()
        # While the pid file and the scoreboard still say that we are here: a job may take a while.
        self._end_of_work()
        self._crew.report(self._slot)
        heir = self._restarts.forget()
        self._presence.gone(stopped=not retired, heir=heir)
        if retired:
            # A late one, meant for the server, must not kill what the program does after serve().
            for number in (signal.SIGTERM, *REMEMBERED):
                self._signals.ignore_from_now_on(number)
        else:
            self._board.unlink()
        self._log.info("%s", how)
        self._calls.at("stopped", self, how)
        name_threads_that_stay(self._log)
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
    Action.STOP_SUCCESSOR: lambda server: server._restarts.stop(),
    Action.KILL_SUCCESSOR: lambda server: server._restarts.kill(),
    Action.RETIRE: Server._retire,
    Action.RETIRE_TO_YOUNGER: Server._retire_to_younger,
    Action.DRAIN: Server._drain,
    Action.TAKE_BACK: Server._take_back,
    Action.HAMMER: Server._hammer,
    Action.REOPEN_LOGS: Server._reopen_logs,
    Action.MORE_WORKERS: lambda server: server._crew.more_workers(),
    Action.FEWER_WORKERS: lambda server: server._crew.fewer_workers(),
    Action.SUSPEND: Server._suspend,
}
