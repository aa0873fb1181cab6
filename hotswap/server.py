"""One generation, from start to exit. Start reading at `Server.run`."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hotswap.apps import mapping
from hotswap.apps.flask_address import default_address
from hotswap.callbacks import How, draining
from hotswap.dev import developer_terminal, foreground
from hotswap.errors import BootError, HotswapError
from hotswap.lifecycle.leave_policy import LeaveMode, LeavePolicy
from hotswap.lifecycle.states import Event, State
from hotswap.lifecycle.transitions import transition
from hotswap.restart import stable_pid
from hotswap.restart.bootstrap import THIS_PROCESS
from hotswap.scoreboard import RECEIVING, SlotView, queries
from hotswap.serving import lingering
from hotswap.serving.actions import Actions
from hotswap.serving.beats import Beats
from hotswap.serving.overtaken import Overtaken
from hotswap.serving.plan import Plan, ServerEvents
from hotswap.serving.probation import OnProbation
from hotswap.serving.process_state import OwnStack, claimed, name_threads_that_stay, surroundings
from hotswap.serving.resources import Resources, open_resources
from hotswap.serving.under_starter import UnderStarter
from hotswap.settings import Config, check, from_keywords
from hotswap.settings.options import ServerOptions
from hotswap.system.descriptors import reserved
from hotswap.system.hang_up import HangUp, Meaning
from hotswap.system.listeners import FIRST_FD
from hotswap.system.program_handlers import ENDING, ProgramHandlers
from hotswap.system.signals import REMEMBERED, SignalQueue
from hotswap.workers import fork_safety
from hotswap.workers.foreign import classes

if TYPE_CHECKING:
    from typing_extensions import Unpack  # no program imports it: typing has it since Python 3.11

    from hotswap.serving.future_starter import FutureStarter
    from hotswap.settings.types import Settings

#: How often the counters on the scoreboard are brought up to date (seconds).
REPORT = 1.0


@contextlib.contextmanager
def _without_own_frames() -> Iterator[None]:
    """An error of ours that the program does not catch is shown with the line that has called, and no line of ours."""
    try:
        yield
    except HotswapError as error:
        # Imported here: only a start that fails needs it.
        from hotswap.own_frames import leave_out_if_uncaught

        leave_out_if_uncaught(error)
        raise


class Server:
    """A WSGI or ASGI application on one or several addresses, replaced by its next version on SIGHUP.

    `app` is a WSGI or an ASGI callable, or a mapping of address to such callables, all of one kind.
    `address` is `host:port`, `[v6]:port`, `:port`, `unix:/path`, `unix:@abstract`, `fd://N`, or a sequence of these;
    default a Flask application's SERVER_NAME, else `127.0.0.1:5000`. Keywords are gunicorn's settings, hotswap's own
    and the arguments of Flask's `app.run()`.
    Raises UsageError, SettingError or AddressError, before anything is started.
    """

    @_without_own_frames()
    def __init__(self, app: Any, address: mapping.Address = None, **settings: Unpack[Settings]) -> None:
        self._set_up(from_keywords(settings, mapping.addresses_of(app, address), default_address(app)), app)

    @classmethod
    def from_config(cls, cfg: Config, app: Any) -> Server:
        """A server of settings that are made already, as `hotswap run` makes them."""
        server = cls.__new__(cls)
        server._set_up(cfg, app)
        return server

    def _set_up(self, cfg: Config, app: Any) -> None:
        self._worker_class = classes.settle(cfg)
        check(cfg)
        classes.must_fit(app, cfg, self._worker_class)
        self.cfg = cfg
        self._process = THIS_PROCESS
        self.generation = self._process.generation
        self.state = State.BOOTING
        #: where this server listens, as URLs; known before workers are forked, and before hooks of theirs are called
        self.listening: list[str] = []
        self._apps: Mapping[str, mapping.WSGIApp] = mapping.by_key(app, cfg)
        # Before anything of ours is there that looks like something of the application's.
        self._warning = fork_safety.check(self._process.agents) if cfg.workers else ""
        self._signals = SignalQueue(self._process.remembered)
        self._events = ServerEvents(self, self._on_listening, self.restart, self._on_news, self._on_idle, self._urls)
        self._under_starter = UnderStarter(self._process.link, self._dispatch)
        self._beats = Beats(2.5 * REPORT)
        self._why_stable = ""
        # From the boot on; `open_resources` calls back before there are any.
        self._resources: Resources
        self._actions: Actions
        self._hang_up: HangUp
        self._on_probation: OnProbation
        self._handlers: ProgramHandlers

    # the story

    @_without_own_frames()
    def run(self) -> How:
        """Serve until told to stop ("stopped") or until a successor has taken over ("retired"); returns which.

        Must be called on the main thread. Raises UsageError, BindError or BootError if it cannot become ready. Signal
        handlers, the wake-up descriptor and the exception hook are given back.
        """
        with claimed(), OwnStack() as outer:
            lingering.end()
            with OwnStack() as stack:
                try:
                    with self._process.telling_failures():
                        self._boot(outer, stack)
                        # Until here SIGTERM and SIGINT have their own way, which ends a boot that hangs.
                        outer.enter_context(self._signals)
                        replaced = self._signals.replaced(*ENDING)
                        self._handlers = ProgramHandlers(replaced, self._resources.log)
                        self._open(stack)
                except Overtaken:
                    self.state = State.GONE
                    return "retired"
                self._say_ready()
                while self.state is not State.GONE:
                    self._turn()
                how = self._leave()
                stays = how == "retired" and self._resources.plan.future_starter is not None
                board_fd = os.dup(self._resources.board.fileno()) if stays else -1
                if not stays:
                    self._linger(how)
            if stays:
                self._stay(board_fd)
        return how

    def _stay(self, board_fd: int) -> None:
        """The pid has to stay: go on as the starter, by exec. Where that is impossible, for a deploy has removed the
        interpreter, this process passes signals on until the server stops."""
        plan, log = self._resources.plan, self._resources.log
        assert plan.future_starter is not None
        # With the same queue: a SIGTERM that comes in between must reach the server.
        limit_s = self._limit("retired")[1]
        plan.future_starter.become(self._process.program, board_fd, self._signals, log, limit_s)
        foreground.stay(board_fd, log, self._signals)
        lingering.begin(None, log, *self._limit("stopped"))

    def stop(self) -> None:
        """Drain and stop, as SIGTERM does; from any thread."""
        self._signals.push(signal.SIGTERM)

    def restart(self) -> None:
        """Start a successor, as SIGHUP does; from any thread."""
        self._signals.push(signal.SIGHUP)

    # boot: everything that can fail

    def _boot(self, outer: contextlib.ExitStack, stack: contextlib.ExitStack) -> None:
        if self._process.error:
            raise BootError(self._process.error)
        stack.enter_context(surroundings(self.cfg, self._process.program.environ))
        options = ServerOptions.from_config(self.cfg)
        starter = self._future_starter(outer)
        plan = Plan(self.cfg, options, self._apps, self._worker_class, self._process, starter, self._warning)
        self._resources = open_resources(stack, plan, self._events, self._signals)
        self._actions = Actions(self._resources, self._events, self._signals, self._dispatch, self._under_starter)
        # Here, where the listeners have their numbers. With a debugger this server must not live on unseen.
        self._hang_up = HangUp(ignored=self._process.nohup, alone_suffices=bool(self.cfg.use_debugger))
        stack.callback(self._hang_up.close)

    def _future_starter(self, outer: contextlib.ExitStack) -> FutureStarter | None:
        """The descriptors of a starter that this process may become, in generation 1 where the pid has to stay."""
        if self._process.link.exists:
            return None
        why = stable_pid.wanted(self.cfg.stable_pid, self._process.origin, stable_pid.WAITED_FOR)
        watched = "files are watched" if self.cfg.reload and self.generation == 1 else ""
        self._why_stable = why or watched
        if not self._why_stable:
            return None
        with reserved(FIRST_FD, len(self._apps)):
            # Imported here: most servers have none, and should not wait for 3 ms.
            from hotswap.serving.future_starter import FutureStarter

            future = FutureStarter(nohup=self._process.nohup, log_format=self.cfg.log_format)
        outer.callback(future.close)
        return future

    def _urls(self) -> list[str]:
        return self.listening

    def _on_listening(self, urls: list[str]) -> None:
        self.listening = urls

    def _open(self, stack: contextlib.ExitStack) -> None:
        """Accept, when nothing else is left that can fail: a client that is accepted must not be lost with the boot."""
        resources = self._resources
        # It ends before the signals do: a change is a signal of our own.
        stack.callback(resources.file_watch.close)
        for address in self.listening:
            resources.callbacks.at("begin", address)
        if self._process.link.is_gone():
            raise BootError("the starter of this server has ended, so no process would keep its pid: ending too")
        resources.must_not_be_overtaken(self)
        self._under_starter.look(resources.board, resources.plan.generation)
        draining.clear()
        resources.announcer.take_pidfile()
        resources.runner.open()

    # serving

    def _say_ready(self) -> None:
        """Only now, when this process accepts: a client that has heard "ready" may connect at once."""
        resources = self._resources
        self._dispatch(Event.BOOTED)
        resources.callbacks.be_lenient()
        predecessor = self._process.let_go_of_predecessor()
        resources.show_name()
        resources.keep_path(lambda: self.state is State.SERVING)
        resources.log.info("serving at %s", ", ".join(self.listening), event="ready")
        self._handlers.announce()
        self._say_whether_pid_stays()
        takeover = resources.serves._replace(hup=signal.SIGHUP in self._signals)
        if predecessor is None or not predecessor.succeed(**takeover.to_facts()):
            resources.announcer.main_process()
            resources.restarter.end_orphaned(resources.slot.attempt)
        # Not before: until here the hook that tells the predecessor stood in this place.
        resources.log.log_uncaught()
        developer_terminal.say_how_to_quit(self.cfg, resources.log)
        resources.listeners.may_be_elsewhere()
        resources.callbacks.at("ready", self)
        resources.loop.watch(self._signals.fileno(), self._on_signals)
        if self._process.stderr is not None:
            self._process.stderr.watch(resources.loop)
        self._under_starter.watch(resources.loop)
        self._hang_up.watch(resources.loop, lambda: self._dispatch(Event.HANG_UP))
        # What came while we booted lies in the queue without a byte in the pipe.
        resources.loop.call(self._on_signals)
        resources.loop.call(self._report)
        self._on_probation = OnProbation(
            resources.board, resources.slot, resources.loop, self._on_taken_back, self._on_orphaned
        )
        self._on_probation.look()
        resources.announcer.systemd.watch(resources.loop, self._server_turns)

    def _server_turns(self) -> bool:
        """Whether the watchdog may rest: this generation serves, or that which does beats, and this process has the pid
        that the watchdog is for."""
        if self.state.shown in RECEIVING:
            return True
        resources = self._resources
        return resources.plan.future_starter is not None and self._beats.turns(queries.serving(resources.board))

    def _say_whether_pid_stays(self) -> None:
        if self._why_stable:
            self._resources.log.info("the pid stays at a restart, for %s", self._why_stable)

    def _report(self) -> None:
        resources = self._resources
        # First: whatever goes wrong below, other processes count on our beats for as long as we serve.
        resources.loop.later(REPORT, self._report)
        resources.runner.report(resources.slot)
        resources.slot.beat()
        self._actions.ask_for_time(self.state)
        self._actions.recent_answers.note()
        self._process.link.flush()
        if self._actions.shutdown is not None:
            resources.announcer.show(self.state, resources.runner.connections)
        elif self.state is State.SERVING and queries.younger(resources.board, resources.slot) is not None:
            self._dispatch(Event.SUPERSEDED)
        if self.state is State.SERVING:
            resources.arbiter.measure()
            resources.tell_of_ended()

    # what happens

    def _turn(self) -> None:
        """Wait for the next thing and do it. Whatever goes wrong there (a full disk under the pid file, a fault of
        ours), clients are being served meanwhile: it is logged, and the next thing is waited for."""
        errors = self._resources.errors
        self._resources.loop.wait(lambda: errors.exception("serving on after an error in the main loop"))

    def _on_signals(self) -> None:
        """The ready pipe first: a SIGTERM means something else when the successor has said that it is ready."""
        resources = self._resources
        for number in self._signals.take():
            # A signal that was taken is acted on, whatever is wrong with the pipe.
            self._actions.attempt(resources.restarter.poll)
            resources.log.debug("received %s", number.name)
            resources.callbacks.at_signal(number, "before")
            event = self._meaning(number)
            if event is not None:
                self._dispatch(event)
            resources.callbacks.at_signal(number, "after")
            if self.state is State.GONE:
                # A process in front has retired by it, and the server is to stop: like what else is queued, the signal
                # is for `foreground.stay` to pass on.
                self._signals.push(number)
                return

    def _meaning(self, number: signal.Signals) -> Event | None:
        """None for a signal that was acted on before, or is to be ignored."""
        if number is signal.SIGTERM and self._follows_its_predecessor():
            return None
        if number is signal.SIGTERM and self.state is State.PARKED and self._resources.restarter.attempt.sigterm_came():
            return None
        if number is signal.SIGTERM:
            return Event.SUPERSEDED if self._is_replaced() else self._actions.lame_duck.meaning_of_term(self.state)
        return self._meaning_of_hup() if number is signal.SIGHUP else Event(number.name)

    def _meaning_of_hup(self) -> Event | None:
        meaning = self._hang_up.meaning()
        if meaning is Meaning.RESTART:
            return None if self._under_starter.has_acted_on_hup() else Event.HUP
        return Event.HANG_UP if meaning is Meaning.STOP else None

    def _is_replaced(self) -> bool:
        """Whether a SIGTERM says that another generation serves, which `hotswap start` has started: it ends no server
        then. That starter speaks to programs of any language, and by signals only."""
        if self.state is not State.SERVING or not self._process.link.exists:
            return False
        resources = self._resources
        starts_each = "SERVER_STARTER_PORT" in self._process.origin.environ
        return starts_each and queries.younger(resources.board, resources.slot) is not None

    def _on_news(self, event: Event) -> None:
        """The successor's news. Once we leave, whether its exit means anything is the shutdown watch's question."""
        if event in (Event.FAILED, Event.TERMINATED):
            # It may have sent its SIGTERM before it died: read after FAILED, it would stop the whole server.
            self._on_signals()
        if self._actions.shutdown is not None:
            self._actions.shutdown.look()
        else:
            self._dispatch(event)

    def _on_taken_back(self, predecessor: SlotView) -> None:
        """The predecessor has rolled this generation back."""
        self._actions.predecessor = predecessor
        self._dispatch(Event.TAKEN_BACK)

    def _follows_its_predecessor(self) -> bool:
        """Whether a SIGTERM was sent when its sender could not know that the predecessor serves again: a stop of the
        server is for that one. Should this process act on it, it would take the server's paths along."""
        if self._actions.shutdown is None and (predecessor := self._on_probation.taken_back_by()) is not None:
            self._on_taken_back(predecessor)
        if not self._actions.has_just_left_to_predecessor:
            return False
        self._actions.stop_the_server()
        return True

    def _on_orphaned(self) -> None:
        """The process that began our attempt is gone without having entered how it went; or it had just taken this
        generation back, which has not heard of it."""
        if self.state.shown in RECEIVING:
            self._actions.attempt(self._actions.stand_for_the_server)

    def _on_idle(self) -> None:
        """There may be nothing left to do. While booting, which is before there are actions, that means nothing."""
        if self.state is not State.BOOTING and self._actions.shutdown is not None:
            self._actions.shutdown.look()

    def _dispatch(self, event: Event) -> None:
        """Look up what the event does, then do it. The new state is visible before anything is done: another process
        must not count on us any more when we begin to leave. As there is no way back to the old state, an action that
        fails keeps none of those behind it from being done."""
        step = transition(self.state, event)
        if step.says:
            self._resources.log.info("%s", step.says)
        before, self.state = self.state, step.next
        if step.next.shown != before.shown:
            self._resources.announcer.show(step.next)
        for action in step.actions:
            self._actions.carry_out(action)

    # the end

    def _leave(self) -> How:
        """What is left to do when nothing runs any more; returns what `run` returns."""
        resources, shutdown = self._resources, self._actions.shutdown
        retired = shutdown is not None and shutdown.replacement is not None
        how: How = "retired" if retired else "stopped"
        if shutdown is not None:
            shutdown.cancel()
        draining.set()
        # While the pid file and the scoreboard still say that we are here: a job may take a while.
        resources.end_of_work()
        resources.runner.report(resources.slot)
        self._actions.attempt(self._actions.tell_how_successor_ended)
        successor = resources.restarter.forget()
        if retired:
            # A late one, meant for the server, must not kill what the program does after serve().
            for number in (signal.SIGTERM, *REMEMBERED):
                self._signals.ignore_afterwards(number)
        else:
            # Again, because SIGQUIT comes here without draining.
            resources.restarter.stop_orphans()
            resources.listeners.are_only_here()
            resources.announcer.stopped(successor)
            resources.board.unlink()
        resources.listeners.remove_paths()
        resources.log.info("%s", how, event="stopped")
        resources.callbacks.at("stopped", self, how)
        # The last thing, because it may end the process.
        self._handlers.call(self._signals.came(), self._limit(how)[1])
        name_threads_that_stay(resources.log)
        return how

    def _linger(self, how: str) -> None:
        """serve() is about to return: from here on the process is kept alive by its program, or what that leaves."""
        resources = self._resources
        resources.board.linger(resources.slot, has_stopped=how == "stopped")
        resources.announcer.lingers()
        lingering.begin(resources.board, resources.log, *self._limit(how))

    def _limit(self, how: str) -> tuple[str, float | None]:
        """The setting that limits leaving, and what it says (seconds); None is no limit."""
        limits = LeavePolicy.of(self._resources.plan.options.leave)
        if how == "retired":
            return "retire_timeout", limits.limit_s(LeaveMode.RETIRE)
        return "graceful_timeout", limits.limit_s(LeaveMode.DRAIN)


def serve(app: Any, address: mapping.Address = None, **settings: Unpack[Settings]) -> How:
    """Serve a WSGI or ASGI application until told to stop, and replace it with its next version on every SIGHUP.

    `app` is a WSGI or an ASGI callable, or a mapping of address to such callables, all of one kind.
    `address` is `host:port`, `[v6]:port`, `:port`, `unix:/path`, `unix:@abstract`, `fd://N`, or a sequence of these;
    default a Flask application's SERVER_NAME, else `127.0.0.1:5000`. Keywords are gunicorn's settings, hotswap's own
    and the arguments of Flask's `app.run()`: `host=`, `port=`, `debug=`.

    Returns "stopped" after a stop and "retired" after a restart, so that the code after it runs, and atexit too.
    Raises UsageError, SettingError, AddressError, BindError or BootError, each before anything is served.
    """
    return Server(app, address, **settings).run()
