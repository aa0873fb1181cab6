"""The engine for ASGI applications: made of its parts here, and nowhere else."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from hotswap.engine.asgi.answer_head import ServerLines
from hotswap.engine.asgi.call_context import CallContext
from hotswap.engine.asgi.calls import HAS_WEBSOCKETS, Calls
from hotswap.engine.asgi.connection_loop import ConnectionLoop, Step
from hotswap.engine.asgi.leaving import AsgiLeaving
from hotswap.engine.asgi.lifespans import Lifespans
from hotswap.engine.asgi.loop_factory import loop_factory
from hotswap.engine.asgi.loop_state import LoopState
from hotswap.engine.asgi.loop_thread import LoopBusy, LoopThread
from hotswap.engine.asgi.request_records import RequestRecords
from hotswap.engine.asgi.scope_reader import ScopeReader
from hotswap.engine.asgi.sites import BaseScopes, sites_of
from hotswap.engine.asgi.unread_body import UnreadBodies
from hotswap.engine.connections.acceptor import Acceptor
from hotswap.engine.connections.connection import FIN, HANDSHAKE, WRITE
from hotswap.engine.connections.connection_view import ConnectionView
from hotswap.engine.connections.handshake import Handshakes
from hotswap.engine.connections.health_answers import HealthReader
from hotswap.engine.connections.parts import connection_parts
from hotswap.engine.connections.request_reader import RequestReader
from hotswap.engine.connections.transfer import Transfer
from hotswap.engine.http1.head_parser import CHOSEN
from hotswap.engine.http1.proxy_protocol import ProxiedReader
from hotswap.engine.limits import Limits
from hotswap.engine.transport.tls import ServerTls
from hotswap.engine.transport.tls_context import context_of
from hotswap.engine.values import Counters, Give, InFlight, Moved, Service

if TYPE_CHECKING:
    from hotswap.engine.base import EngineHost, Logger
    from hotswap.engine.connections.reader import Reader
    from hotswap.settings.options import EngineOptions


class AsgiEngine:
    """Serves `services` in one event loop: an `engine.base.Engine`, where its methods are explained.

    `limits` are those of the options, if not given. Raises BootError if TLS is asked for and its files cannot be used,
    or the event loop that is asked for is not installed.
    """

    def __init__(
        self,
        services: Sequence[Service],
        options: EngineOptions,
        host: EngineHost,
        limits: Limits | None = None,
    ) -> None:
        limits = limits or Limits.from_options(options)
        tls = context_of(options.gunicorn)
        sites = sites_of(services)
        self._state = state = LoopState(options, limits, host)
        self.log: Logger = state.log
        self.thread = thread = LoopThread(loop_factory(options.asgi.loop), state.log, debug=options.asgi.debug)
        apps = {service.key: service.app for service in services}
        self.lifespans = Lifespans(apps, options.asgi, state.log, thread, host.changed)
        self._parts = parts = connection_parts(state, sites.values())
        table, idle, writer = parts.table, parts.idle, parts.writer
        lines = ServerLines(date=options.asgi.date_header, server=options.asgi.server_header)
        unread = UnreadBodies(table, idle)
        records = RequestRecords(options, state)
        context = CallContext(state, parts, unread, lines, records.before, records.answered, records.after)
        self._closings = context.closings
        self._calls = calls = Calls(context)
        parts.deadlines.ask_also(calls.ask)
        steps: dict[int, Step] = {WRITE: lambda conn, _mask: writer.flush(conn), FIN: writer.await_fin}
        welcome = idle.welcome
        if tls is not None:
            shakes = Handshakes(table, writer, ServerTls(tls, ragged=options.suppress_ragged_eofs))
            steps[HANDSHAKE] = lambda conn, _mask: shakes.step(conn)
            welcome = shakes.welcome
        heads = ScopeReader(options, limits, root_path=options.asgi.root_path, websockets=HAS_WEBSOCKETS)
        proxied = heads if options.proxy_protocol == "off" else ProxiedReader(options, heads)
        reader: Reader = RequestReader(table, idle, proxied, unread)
        if options.health_path:
            reader = HealthReader(reader, state, writer, options.health_path)
        self._loop = ConnectionLoop(state, parts, BaseScopes(options, self.lifespans.states), reader, calls, steps)
        acceptor = Acceptor(state, parts.pollables, parts.listeners, sites.values(), welcome)
        self._leaving = AsgiLeaving(parts, acceptor, calls, thread)
        self._transfer = Transfer(table, idle, parts.offers, sites, welcome)

    def start(self) -> None:
        """As in `Engine`; raises BootError, too, if an application's lifespan fails to start."""
        self._state.begin()
        self.thread.start()
        self.lifespans.startup()
        with contextlib.suppress(LoopBusy):  # the application blocks it, and we serve when it is free again
            self.thread.call(self._loop.begin, self.thread.loop)

    def open(self) -> None:
        self._state.has_opened = True
        self._parts.listeners.start()

    def pause(self) -> None:
        self._parts.listeners.stop()

    def be_lame_duck(self) -> None:
        self._state.lame_duck = True

    def shed(self, count: int, give: Give) -> None:
        self._transfer.shed(count, give)

    def leave(self, give: Give | None) -> None:
        self.thread.call_soon(self.lifespans.draining.set)
        self._leaving.leave(give)
        self.thread.call_soon(functools.partial(self._closings.begin, stops=give is None))

    def resume(self) -> None:
        self._leaving.resume()
        self.thread.call_soon(self._closings.cancel)
        self.thread.call_soon(self.lifespans.draining.clear)

    def adopt(self, arrivals: Sequence[Moved]) -> None:
        self._transfer.adopt(arrivals)

    def hammer(self) -> list[InFlight]:
        return self._leaving.hammer()

    def shut_down_apps(self) -> bool:
        return self.lifespans.finish()

    def in_flight(self) -> list[InFlight]:
        return self._leaving.in_flight()

    def hangs_at(self) -> str:
        return self.thread.hangs_at()

    @property
    def counters(self) -> Counters:
        counters = self._state.counters
        counters.connections = len(self._state.live)
        counters.in_flight = len(self._calls.running)
        return counters

    @property
    def idle(self) -> bool:
        # In this order: what arrives is among the live ones before no callback is busy with it, and a request runs
        # before its connection has gone.
        return not self._parts.pollables.busy and not self._state.live and not self._calls.running

    def add_source(self, fd: int, callback: Callable[[int], object], *, writable: bool = False) -> None:
        self._parts.pollables.add(fd, callback, writable=writable)

    def remove_source(self, fd: int) -> None:
        self._parts.pollables.remove(fd)

    def stop(self) -> None:
        self._state.stop()
        self._leaving.hammer()
        self.lifespans.end()
        with contextlib.suppress(LoopBusy, RuntimeError):  # something blocks it; or it has ended, or never begun
            self.thread.call(self._loop.end)
        if self.thread.stop():
            with self._state.lock:
                self._parts.poller.close()

    def debug_view(self) -> AsgiView:
        """What it looks like now, seen from any thread while the loop changes it."""
        table = self._parts.table
        connections = tuple(ConnectionView.of(conn, table) for conn in list(self._state.live))
        return AsgiView(connections, len(self._calls.running), self._parts.pollables.paused, CHOSEN.name)


class AsgiView(NamedTuple):
    """`calls` is how many application calls run; `paused` are those descriptors that are left alone for a moment
    because their callbacks have failed. `lane` is what takes plain heads apart: "C" or "Python".
    """

    connections: tuple[ConnectionView, ...]
    calls: int
    paused: frozenset[int]
    lane: str
