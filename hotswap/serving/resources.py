"""What a generation has: opened while it boots, in one order, and given back in the opposite one."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from hotswap.dev import debugger
from hotswap.dev.file_watch import FileWatch
from hotswap.engine.transport.tls_context import context_of
from hotswap.errors import BindError, HotswapError
from hotswap.gunicorn_compat.server_hooks import ArbiterView
from hotswap.gunicorn_compat.views import WorkerView
from hotswap.handover import wire
from hotswap.handover.exchange import Exchange
from hotswap.log import Log
from hotswap.repeated_errors import RepeatedErrors
from hotswap.restart.handoff import Handoff, PassedListener
from hotswap.restart.restarter import Restarter
from hotswap.restart.successor_start import RestartContext
from hotswap.restart.takeover import Takeover
from hotswap.scoreboard import Scoreboard, Slot, queries
from hotswap.serving.announcer import Announcer, Nameplate
from hotswap.serving.callback_runner import CallbackRunner
from hotswap.serving.deployed import deployment_of
from hotswap.serving.foundation import lay_foundation
from hotswap.serving.health_check import check_health
from hotswap.serving.listener_set import ListenerSet
from hotswap.serving.open_listeners import open_listeners
from hotswap.serving.overtaken import must_not_be_overtaken
from hotswap.serving.plan import Foundation, Plan, ServerEvents
from hotswap.serving.process_state import switch_interval
from hotswap.serving.service_manager import ServiceManager
from hotswap.serving.start_line import start_line
from hotswap.settings.options import ClusterOptions
from hotswap.system import address_holders
from hotswap.system.addresses import keys, parse_all
from hotswap.system.descriptors import reserved
from hotswap.system.fd_limit import raise_nofile_limit
from hotswap.system.fork_guard import no_fork, withhold
from hotswap.system.listeners import FIRST_FD, Listener
from hotswap.system.main_loop import MainLoop
from hotswap.system.pidfile import PidFile
from hotswap.system.signals import SignalQueue
from hotswap.workers import choose
from hotswap.workers.context import ServerContext
from hotswap.workers.runner import Runner

#: How often it is looked whether the scoreboard still has a path (seconds).
KEEP_PATH = 60.0


class Shared(NamedTuple):
    """What every generation of a server has in common, and this one's place in it.

    board_is_shared: the board is the predecessor's; on one of our own it cannot see whether this process receives.
    """

    listeners: ListenerSet
    exchange: Exchange
    board: Scoreboard
    board_is_shared: bool
    slot: Slot


class Resources(NamedTuple):
    """All that a generation has. `end_of_work()` ends what the hook post_worker_init has begun, in single mode.

    predecessor_serves: how the predecessor serves, should connections move back to it.
    """

    plan: Plan
    loop: MainLoop
    log: Log
    errors: RepeatedErrors
    arbiter: ArbiterView
    file_watch: FileWatch
    callbacks: CallbackRunner
    listeners: ListenerSet
    exchange: Exchange
    board: Scoreboard
    board_is_shared: bool
    slot: Slot
    announcer: Announcer
    restarter: Restarter
    runner: Runner
    end_of_work: Callable[[], object]
    predecessor_serves: Takeover

    @property
    def serves(self) -> Takeover:
        """What this generation takes over, as its predecessor reads it."""
        # On a scoreboard of our own it could not see whether we still receive.
        own = _serves(self.plan, self.listeners)
        return own if self.board_is_shared else own._replace(exchange=0, on_board=False)

    def give_to_starter(self) -> None:
        """Have the starter keep what this generation has, if there is one."""
        _give_to_starter(self.plan, self.listeners, self.exchange, self.board)

    def must_not_be_overtaken(self, server: object) -> None:
        """Raise Overtaken if the predecessor is gone and a later attempt is under way, or serves."""
        if self.board_is_shared:
            base = Foundation(self.loop, self.log, self.arbiter, self.file_watch, self.callbacks)
            must_not_be_overtaken(self.plan, base, self.board, self.slot, server=server)

    def tell_of_ended(self) -> None:
        """Call the child_exit hook for generations that have ended since the last time, if there is one."""
        if self.arbiter.wants_child_exit:
            for view in self.board.take_ended():
                self.arbiter.generation_ended(view.recorded_pid, view.generation)

    def show_name(self) -> None:
        """This generation serves: name the scoreboard as its settings say, which a deploy may have changed, and show
        there what was deployed."""
        self.board.rename(_name(self.plan, self.listeners))
        self.board.deployed(deployment_of(self.plan, self.listeners.urls))

    def keep_path(self, serves: Callable[[], bool]) -> None:
        """Now, and as often as it may matter: if this generation serves, commands find the scoreboard by a path, also
        where that was deleted."""
        self.loop.later(KEEP_PATH, functools.partial(self.keep_path, serves))
        if serves():
            self.look_for_path()

    def look_for_path(self) -> None:
        """This generation serves: have commands find the scoreboard by a path, also where that is gone."""
        if path := self.board.keep_path(self.plan.options.run_dir):
            self.log.info("the scoreboard has no file any more: %s leads to it", path)


def open_resources(stack: contextlib.ExitStack, plan: Plan, events: ServerEvents, signals: SignalQueue) -> Resources:
    """Everything that can fail at a start, but for the first accept. `stack` gives it back.

    Raises BootError, BindError, SettingError, and what a callback or a hook raises; Overtaken if this process need
    not serve any more.
    """
    handoff = plan.process.claim()
    stack.push(plan.process.end_of_claim)
    with reserved(FIRST_FD, len(plan.apps)):
        base = lay_foundation(stack, plan, events)
        base.callbacks.at("starting", events.server)
        # The predecessor's scoreboard before anything is bound or loaded: it tells whether we are still wanted.
        joined = _join_board(stack, plan, handoff)
    if joined is not None:
        # Before anything is bound: the later attempt may be about to bind the same new address.
        must_not_be_overtaken(plan, base, *joined, server=events.server)
    # Before anything is forked: workers share what is made here.
    context_of(plan.cfg)
    shared = _open_shared(stack, plan, base, handoff, joined)
    events.on_listening(shared.listeners.urls)
    base.log.info("%s", start_line(plan, deployment_of(plan, shared.listeners.urls)), event="starting")
    announcer = _open_announcer(stack, plan, shared)
    restarter = _open_restarter(stack, plan, base, shared, events)
    runner, end_of_work = _start_runner(stack, plan, base, shared, _Parts(events, signals, restarter))
    resources = Resources(
        plan=plan,
        loop=base.loop,
        log=base.log,
        errors=RepeatedErrors(base.log),
        arbiter=base.arbiter,
        file_watch=base.file_watch,
        callbacks=base.callbacks,
        listeners=shared.listeners,
        exchange=shared.exchange,
        board=shared.board,
        board_is_shared=shared.board_is_shared,
        slot=shared.slot,
        announcer=announcer,
        restarter=restarter,
        runner=runner,
        end_of_work=end_of_work,
        predecessor_serves=Takeover.from_facts(handoff.serves if handoff is not None else {}),
    )
    if plan.options.check_path:
        plan.stage(f"checking {plan.options.check_path}")
        check_health(plan.options.check_path, lambda: runner.self_connect(shared.listeners.keys[0]))
    announcer.prepare(", ".join(shared.listeners.urls))
    return resources


# the scoreboard


def _join_board(stack: contextlib.ExitStack, plan: Plan, handoff: Handoff | None) -> tuple[Scoreboard, Slot] | None:
    """Take a slot on the predecessor's scoreboard; None if there is none, or none that this release can read.

    One that it cannot read is left open, and replaced by one of our own.
    """
    if handoff is None or handoff.scoreboard < 0:
        return None
    with contextlib.suppress(HotswapError):
        board = Scoreboard.from_fd(handoff.scoreboard)
        slot = _take_slot(stack, plan, board, handoff.attempt)
        # Above the board on the stack: its slot is given up when any descriptor of it is closed.
        stack.push(plan.process.joined(board.fileno()))
        return board, slot
    return None


def _make_board(stack: contextlib.ExitStack, plan: Plan, log: Log, name: str) -> tuple[Scoreboard, Slot]:
    board = Scoreboard.create(plan.options.run_dir, name)
    # Attempts are numbered anew on a new board.
    slot = _take_slot(stack, plan, board, attempt=0)
    if board.why_no_path:
        log.warning("hotswap status needs the pid of this server: %s", board.why_no_path)
    return board, slot


def _take_slot(stack: contextlib.ExitStack, plan: Plan, board: Scoreboard, attempt: int) -> Slot:
    stack.callback(_close_unless_lingering, board)
    stack.push(functools.partial(_end_of_board, board))
    return board.take_slot(plan.generation, "server", may_receive=plan.options.workers == 0, attempt=attempt)


def _close_unless_lingering(board: Scoreboard) -> None:
    if not board.is_lingered_on:
        board.close()


def _end_of_board(board: Scoreboard, kind: type[BaseException] | None, *_: object) -> None:
    """A server that stops has removed its file already. One that ends by an exception, be it while it boots, does it
    here; unless another process stands on the board, which needs it."""
    if kind is not None and _is_alone(board):
        board.unlink()


def _end_of_paths(board: Scoreboard, listeners: ListenerSet, kind: type[BaseException] | None, *_: object) -> None:
    """As with the board: a server that stops has removed its unix paths already. One that ends by an exception does it
    here, but for those that another generation has, which stands on the board then."""
    if kind is not None:
        if _is_alone(board):
            listeners.are_only_here()
        listeners.remove_paths()


def _is_alone(board: Scoreboard) -> bool:
    return all(view.pid == os.getpid() for view in board.slots())


def _name(plan: Plan, listeners: ListenerSet) -> str:
    """What commands know the server by."""
    return plan.options.name or listeners.all[0].bound


def _warn_of_run_dir(plan: Plan, board: Scoreboard, log: Log) -> None:
    """Older generations have the scoreboard too, so a deploy cannot move it to another file system."""
    where, wanted = os.path.dirname(board.path or ""), plan.options.run_dir
    if where and wanted and os.path.realpath(wanted) != where:
        log.warning("run_dir has no effect until this server is stopped and started: its scoreboard lies in %s", where)


# what all generations share


def _open_shared(
    stack: contextlib.ExitStack,
    plan: Plan,
    base: Foundation,
    handoff: Handoff | None,
    joined: tuple[Scoreboard, Slot] | None,
) -> Shared:
    listeners = _open_listeners(stack, plan, base, handoff)
    with contextlib.ExitStack() as undo:
        undo.callback(listeners.remove_paths)
        raise_nofile_limit()
        stack.enter_context(switch_interval(plan.options.switch_interval_s))
        board, slot = joined or _make_board(stack, plan, base.log, _name(plan, listeners))
        # Above the board on the stack: it looks there whether another process has the listeners.
        stack.push(functools.partial(_end_of_paths, board, listeners))
        undo.pop_all()
    _warn_of_run_dir(plan, board, base.log)
    exchange = _open_exchange(stack, plan, handoff)
    _give_to_starter(plan, listeners, exchange, board)
    return Shared(listeners, exchange, board, joined is not None, slot)


def _give_to_starter(plan: Plan, listeners: ListenerSet, exchange: Exchange, board: Scoreboard) -> None:
    passed = [PassedListener(each.key, each.fileno(), each.identity) for each in listeners.all]
    tried = plan.process.tried_in_vain(listeners.keys)
    ends = (exchange.send_fd, exchange.receive_fd)
    plan.process.link.give(passed, ends, board.fileno(), tried, plan.cfg.log_format)


def _open_listeners(stack: contextlib.ExitStack, plan: Plan, base: Foundation, handoff: Handoff | None) -> ListenerSet:
    """Take over, inherit or bind. Raises BindError."""
    plan.stage("binding")
    passed = handoff.listeners if handoff else ()

    opened: list[Listener] = []

    def own(listeners: Sequence[Listener]) -> None:
        opened.extend(listeners)
        # On the stack before they are, so that they are kept from forked children until they are closed.
        stack.callback(withhold(lambda: [listener.fileno() for listener in listeners]))
        for listener in listeners:
            stack.callback(listener.close)
        plan.process.owned(item.fd for item in passed)

    try:
        open_listeners(plan.cfg, handoff, os.environ, base.log, own)
    except BindError:
        configured = keys(parse_all(plan.cfg.settings["bind"].get()))
        plan.process.tried.update(set(configured) - {item.key for item in passed})
        raise
    base.arbiter.listens_at(opened)
    # One whose file was gone is another listener, which no other generation has.
    there = {(item.key, item.identity) for item in passed}
    elsewhere = {listener.key for listener in opened if (listener.key, listener.identity) in there}
    return ListenerSet(opened, tls=plan.options.tls, elsewhere=elsewhere)


def _open_exchange(stack: contextlib.ExitStack, plan: Plan, handoff: Handoff | None) -> Exchange:
    """The pair that generation 1 made, or a new one."""
    with no_fork():
        if handoff is None or handoff.exchange_send < 0:
            exchange = Exchange.create()
        else:
            exchange = Exchange(handoff.exchange_send, handoff.exchange_receive)
        stack.callback(withhold(lambda: [exchange.send_fd, exchange.receive_fd]))
        plan.process.owned([exchange.send_fd, exchange.receive_fd])
    stack.callback(exchange.close)
    return exchange


# this generation's own


def _open_announcer(stack: contextlib.ExitStack, plan: Plan, shared: Shared) -> Announcer:
    environ = plan.process.origin.environ
    pidfile = _open_pidfile(plan.options.pidfile, shared, environ) if plan.options.pidfile else None
    if pidfile is not None:
        # One that names the starter stays when this process ends.
        stack.callback(pidfile.abandon if plan.starter[1] else pidfile.discard)
    link, starter_pid = plan.process.link, plan.starter[1]
    # systemd has started one of these, and named it as the process that keeps the watchdog quiet.
    asked = {os.getpid(), shared.board.first_pid, starter_pid}
    systemd = ServiceManager(environ, asked, link.notify if link.exists else None)
    who = Nameplate(plan.options.proc_name, plan.generation, starter_pid)
    return Announcer(who, shared.slot, pidfile, systemd, link)


def _open_pidfile(path: str, shared: Shared, environ: Mapping[str, str]) -> PidFile:
    """The pid file. Raises SettingError if it names another server, which still serves and would have none any more.

    That is asked in every generation: a deploy may have changed `path`. Our own server's processes are on the board;
    Server::Starter's generations have a board each, and are known by the listeners that they share.
    """

    def other_server(pid: int) -> str:
        by_listeners = "SERVER_STARTER_PORT" in environ
        fds = [listener.fileno() for listener in shared.listeners.all] if by_listeners else []
        if shared.board.alive(pid) or address_holders.has_any(pid, fds):
            return ""
        return queries.served_by(pid)

    pidfile = PidFile(path, other_server)
    pidfile.check()
    return pidfile


def _open_restarter(
    stack: contextlib.ExitStack, plan: Plan, base: Foundation, shared: Shared, events: ServerEvents
) -> Restarter:
    context = RestartContext(
        loop=base.loop,
        log=base.log,
        listeners=shared.listeners.all,
        exchange=shared.exchange,
        board=shared.board,
        starter=plan.starter,
        serves=_serves(plan, shared.listeners),
    )
    restarter = Restarter(plan.process, plan.cfg, context, events.on_news)
    stack.callback(restarter.close)
    return restarter


def _serves(plan: Plan, listeners: ListenerSet) -> Takeover:
    """What connections can move to this generation, for one that shares its scoreboard."""
    options = plan.options
    return Takeover(
        generation=plan.generation,
        # gunicorn's workers do not receive.
        exchange=wire.VERSION if plan.worker_class is None else 0,
        on_board=True,
        listeners=listeners.keys,
        proxy_protocol=options.proxy_protocol,
        tls=options.tls,
        probation=options.probation_s,
        probation_max_errors=options.probation_max_errors,
    )


class _Parts(NamedTuple):
    """What a forked worker lets go of, beside the event loop; and the server that a runner reports to."""

    events: ServerEvents
    signals: SignalQueue
    restarter: Restarter


def _start_runner(
    stack: contextlib.ExitStack, plan: Plan, base: Foundation, shared: Shared, parts: _Parts
) -> tuple[Runner, Callable[[], object]]:
    """Start the engine, or the workers; nothing is accepted yet. Raises BootError."""
    context = _server_context(plan, base, shared, parts)
    forks = bool(plan.options.workers)
    only_worker = WorkerView(base.arbiter.cfg, base.arbiter.log, base.arbiter.app)
    runner = choose.cluster(context) if forks else choose.single(context, only_worker)
    stack.callback(runner.stop)
    plan.stage("loading workers" if forks else "starting the engine")
    if forks:
        runner.start()
        return runner, lambda: None
    # In gunicorn's order: an application's startup may need what post_worker_init opens, and the check needs both.
    end_of_work = stack.enter_context(base.arbiter.working(only_worker))
    runner.start()
    return runner, end_of_work


def _server_context(plan: Plan, base: Foundation, shared: Shared, parts: _Parts) -> ServerContext:
    predecessor, stderr = plan.process.predecessor, plan.process.stderr

    def close_in_worker(number: int) -> None:
        """Close what only the server process has, without touching what is behind it."""
        base.loop.abandon()
        plan.process.forget_second_chance()
        parts.signals.abandon()
        parts.restarter.abandon()
        if stderr is not None:
            stderr.in_worker()
        if predecessor is not None and number == 1:
            # If loading hangs, it hangs here. One worker says where: what two write at once is unreadable.
            predecessor.watch_for_hang(plan.options.boot_timeout_s)

    def has_loaded() -> None:
        if stderr is not None:
            stderr.put_back()
        if predecessor is not None:
            predecessor.close()

    return ServerContext(
        cfg=plan.cfg,
        options=ClusterOptions.from_config(plan.cfg),
        log=base.log,
        generation=plan.generation,
        attempt=shared.slot.attempt,
        listeners=shared.listeners.all,
        apps=debugger.wrapped(plan.apps, plan.cfg, base.log),
        worker_class=plan.worker_class,
        exchange=shared.exchange,
        board=shared.board,
        loop=base.loop,
        arbiter=base.arbiter,
        changed=lambda: base.loop.call(parts.events.on_idle),
        close_in_worker=close_in_worker,
        has_loaded=has_loaded,
    )
