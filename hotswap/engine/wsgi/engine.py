"""The engine for WSGI applications: made of its parts here, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hotswap.engine.connections.acceptor import Acceptor
from hotswap.engine.connections.connection import FIN, HANDSHAKE, WRITE, Connection
from hotswap.engine.connections.connection_view import ConnectionView
from hotswap.engine.connections.draining import Leaving
from hotswap.engine.connections.handshake import Handshakes
from hotswap.engine.connections.health_answers import HealthReader
from hotswap.engine.connections.parts import connection_parts
from hotswap.engine.connections.request_reader import RequestReader
from hotswap.engine.connections.state import EngineState
from hotswap.engine.connections.transfer import Transfer
from hotswap.engine.http1.proxy_protocol import ProxiedReader
from hotswap.engine.limits import Limits
from hotswap.engine.transport.tls import ServerTls
from hotswap.engine.transport.tls_context import context_of
from hotswap.engine.values import Counters, Give, InFlight, Moved, Service
from hotswap.engine.wsgi.application_call import ApplicationCall
from hotswap.engine.wsgi.blocking_routes import BlockingRoutes
from hotswap.engine.wsgi.debug_view import DebugView, PathView
from hotswap.engine.wsgi.environ import sites_of
from hotswap.engine.wsgi.environ_reader import EnvironReader
from hotswap.engine.wsgi.loop import EventLoop, Step
from hotswap.engine.wsgi.plain_turn import CHOSEN, FastLane, lane_of
from hotswap.engine.wsgi.serve import LeadKeepers, RequestServer
from hotswap.engine.wsgi.stall_monitor import StallMonitor
from hotswap.engine.wsgi.thread_pool import ThreadPool
from hotswap.engine.wsgi.upload import Uploads

if TYPE_CHECKING:
    from hotswap.engine.base import EngineHost, Logger
    from hotswap.engine.connections.poller import Epoll
    from hotswap.engine.connections.reader import Reader
    from hotswap.engine.wsgi.lead import LeadToken
    from hotswap.settings.options import EngineOptions


class WsgiEngine:
    """Serves `services` with threads of this process: an `engine.base.Engine`, where its methods are explained.

    `limits` are those of the options, if not given. `epoll` and `lane` are for tests, which stop a thread there and
    compare lanes. Raises BootError if TLS is asked for and its files cannot be used.
    """

    def __init__(
        self,
        services: Sequence[Service],
        options: EngineOptions,
        host: EngineHost,
        limits: Limits | None = None,
        epoll: Epoll | None = None,
        lane: FastLane = CHOSEN,
    ) -> None:
        limits = limits or Limits.from_options(options)
        context = context_of(options.gunicorn)
        sites = sites_of(services, options, multiprocess=host.multiprocess)
        self._state = state = EngineState(options, limits, host)
        self.log: Logger = state.log
        self._parts = parts = connection_parts(state, sites.values(), epoll)
        table, writer = parts.table, parts.writer
        # Threads lead and serve with parts that need threads: both come together in this object, when they run.
        self._pool = pool = ThreadPool(table, self._lead, self._serve)
        self._routes = BlockingRoutes()
        self._monitor = StallMonitor(state, pool, self._routes)
        steps: dict[int, Step] = {WRITE: lambda conn, _mask: writer.flush(conn), FIN: writer.await_fin}
        welcome = parts.idle.welcome
        if context is not None:
            shakes = Handshakes(table, writer, ServerTls(context, ragged=options.suppress_ragged_eofs))
            steps[HANDSHAKE] = lambda conn, _mask: shakes.step(conn)
            welcome = shakes.welcome
        reader = EnvironReader(options, limits)
        self._heads = reader if options.proxy_protocol == "off" else ProxiedReader(options, reader)
        make_lane = lane_of(lane, state, options, limits, writer, reader)
        self._lane = "Python" if make_lane is None else "C"
        self._server = RequestServer(
            table,
            self._reader(RequestReader(table, parts.idle, self._heads, Uploads(table)), options.health_path),
            ApplicationCall(state, options, pool.give_up),
            writer,
            LeadKeepers(pool, self._routes, self._monitor),
        )
        self._loop = EventLoop(table, parts.pollables, parts.deadlines, self._server, steps, make_lane)
        acceptor = Acceptor(state, parts.pollables, parts.listeners, sites.values(), welcome)
        self._leaving = Leaving(table, parts.idle, parts.listeners, acceptor, pool.take_queued)
        self._transfer = Transfer(table, parts.idle, parts.offers, sites, welcome)

    def _reader(self, reader: Reader, health_path: str) -> Reader:
        return HealthReader(reader, self._state, self._parts.writer, health_path) if health_path else reader

    def _lead(self, token: LeadToken) -> None:
        self._loop.lead(token, self._pool)

    def _serve(self, conn: Connection) -> None:
        self._server.serve_here(conn)

    def start(self) -> None:
        self._state.begin()
        self._pool.start()
        self._monitor.start()

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
        self._leaving.leave(give)

    def resume(self) -> None:
        self._leaving.resume()

    def adopt(self, arrivals: Sequence[Moved]) -> None:
        self._transfer.adopt(arrivals)

    def hammer(self) -> list[InFlight]:
        return self._leaving.hammer()

    def hangs_at(self) -> str:
        return ""  # another thread takes the lead away from one that is held up

    def shut_down_apps(self) -> bool:
        return True  # WSGI has nothing of the kind

    def in_flight(self) -> list[InFlight]:
        return self._leaving.in_flight()

    @property
    def counters(self) -> Counters:
        counters = self._state.counters
        counters.connections = len(self._state.live)
        counters.in_flight = max(0, counters.connections - len(self._parts.table.owned))
        return counters

    @property
    def idle(self) -> bool:
        # In this order: what arrives is among the live ones before no callback is busy with it.
        return not self._parts.pollables.busy and not self._state.live

    def add_source(self, fd: int, callback: Callable[[int], object], *, writable: bool = False) -> None:
        self._parts.pollables.add(fd, callback, writable=writable)

    def remove_source(self, fd: int) -> None:
        self._parts.pollables.remove(fd)

    def stop(self) -> None:
        self._state.stop()
        self._pool.stop()
        self._monitor.wake()
        self._leaving.hammer()
        with self._state.lock:  # no thread that has seen the engine run is still about to register something
            self._parts.poller.close()

    def debug_view(self) -> DebugView:
        """What it looks like now, seen from any thread while others change it."""
        state, table = self._state, self._parts.table
        return DebugView(
            state.leader,
            self._pool.count,
            state.turns,
            self._monitor.sleeps,
            tuple(ConnectionView.of(conn, table) for conn in list(state.live)),
            {path: PathView.of(stats) for path, stats in list(self._routes.paths.items())},
            self._heads.known,
            self._parts.pollables.paused,
            self._lane,
        )
