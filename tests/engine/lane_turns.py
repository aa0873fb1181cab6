"""Turns of a connection without any thread of the engine's: the test leads, and nothing else runs meanwhile."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from gunicorn.config import Config

from hotswap.engine import Counters, EngineHost, Limits, Service, WsgiEngine
from hotswap.engine.connections.connection import BODY, Connection
from hotswap.engine.wsgi.lead import LeadToken
from hotswap.engine.wsgi.plain_turn import CHOSEN
from hotswap.settings.options import EngineOptions
from tests.engine.answer_shapes import Shape
from tests.engine.apps import Environ, Start
from tests.engine.engine_server import Log


class Turns:
    """An engine none of whose threads runs: the test leads, and gives a connection its turns."""

    def __init__(self, **settings: Any) -> None:
        cfg = Config()
        for name, value in {"threads": 8, **settings}.items():
            cfg.set(name, value)
        options = EngineOptions.from_config(cfg)
        self.log = Log()
        self.log.access_log_enabled = bool(cfg.accesslog)
        service = Service("main", None, self._app, ("test", "80"))
        host = EngineHost(self.log, lambda: None, counters=Counters())
        lane = CHOSEN if CHOSEN.kind is None else CHOSEN._replace(kind=self._lane)
        self.engine = WsgiEngine([service], options, host, Limits.from_options(options), lane=lane)
        self.shape: Any = Shape("200 OK", [("X", "y")], (b"hello",), "list")
        self._loop, self.table = self.engine._loop, self.engine._parts.table
        self.table.state.begin()
        self.token = LeadToken(self.table.state.lock)
        self.client, theirs = socket.socketpair()
        theirs.setblocking(False)
        self.conn = self._connection(theirs)

    def _lane(self, *bounds: Any, fault: Any, **parts: Any) -> Any:
        """One that leaves what is done after a fault to the test."""
        assert CHOSEN.kind is not None
        return CHOSEN.kind(*bounds, fault=_raise_again, **parts)

    def _app(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        answer: Iterable[bytes] = self.shape(environ, start_response)
        return answer

    def _connection(self, sock: socket.socket) -> Connection:
        (site,) = self.engine._transfer._sites.values()
        conn = Connection(sock, site, "")
        self.table.add(conn)
        self.table.release(conn)
        return conn

    def turn(self, data: bytes, *, around: AbstractContextManager[object] | None = None) -> bool:
        """One turn of the connection, whose client has said `data`: whether the connection is still there.

        `around` what the lane does, and not what its loop does when it has failed.
        """
        self.client.sendall(data)
        if self.conn.fd not in self.table.owned:
            return False
        events = [(self.conn.fd, select.EPOLLIN)]
        try:
            with around or nullcontext():
                self._loop._serve_events(events, self.token)
        except BaseException as error:  # noqa: BLE001  as the loop does
            self._loop.end_after_fault(self.conn, self.token, error)
        return self.alive

    @property
    def alive(self) -> bool:
        """Whether the connection is the engine's still, and may ask for more."""
        return self.conn in self.table.state.live and self.conn.phase <= BODY

    @property
    def lane(self) -> str:
        """What serves plain requests."""
        return self.engine.debug_view().lane

    def answer(self) -> bytes:
        """What the client has got."""
        self.client.setblocking(False)
        try:
            return self.client.recv(1 << 20)
        except (BlockingIOError, ConnectionResetError):  # closed before the request was read
            return b""

    def end(self) -> None:
        self.client.close()
        self.engine.stop()


def _raise_again(_conn: object, _token: object, error: BaseException) -> bool:
    raise error
