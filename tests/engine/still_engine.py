"""The parts of an engine that know of connections, without any thread: a test is every thread."""

from __future__ import annotations

import socket
import threading
from time import monotonic
from typing import TypeVar

from gunicorn.config import Config

from hotswap.engine import EngineHost, Limits, Service
from hotswap.engine.connections.connection import Connection, Site
from hotswap.engine.connections.parts import connection_parts
from hotswap.engine.connections.state import EngineState
from hotswap.engine.connections.transfer import Transfer
from hotswap.engine.wsgi.environ import sites_of
from hotswap.settings.options import EngineOptions
from tests.engine.apps import hello
from tests.engine.engine_server import Client, Log
from tests.engine.hooked_epoll import HookedEpoll

SomeConnection = TypeVar("SomeConnection", bound=Connection)


class StillEngine:
    """State, table and clock of an engine, and connections in them."""

    def __init__(self) -> None:
        options = EngineOptions.from_config(Config())
        self.log = Log()
        self.epoll = HookedEpoll()
        self.changed = threading.Event()
        self.state = EngineState(options, Limits.from_options(options), EngineHost(self.log, self.changed.set))
        self.sites = sites_of([Service("main", None, hello, ("test", "80"))], options, multiprocess=False)
        self.parts = connection_parts(self.state, self.sites.values(), self.epoll)
        self.table = self.parts.table
        self.transfer = Transfer(self.table, self.parts.idle, self.parts.offers, self.sites, self.parts.idle.welcome)
        self._clients: list[Client] = []

    @property
    def site(self) -> Site:
        return self.sites["main"]

    def connection(self, kind: type[SomeConnection]) -> SomeConnection:
        """One of the engine's, which the test owns."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        conn = kind(theirs, self.site, "")
        conn.deadline = monotonic()
        self.table.add(conn)
        self._clients.append(Client(ours))
        return conn

    def end(self) -> None:
        for client in self._clients:
            client.close()
        for conn in list(self.state.live):
            self.table.close(conn)
        self.parts.poller.close()
        assert not self.log.said("exception"), self.log.records
