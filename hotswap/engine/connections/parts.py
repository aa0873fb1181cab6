"""The parts of an engine that know of connections and not of threads, made in the order of their needs."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from hotswap.engine.connections.answer_writer import AnswerWriter
from hotswap.engine.connections.idle import IdleConnections
from hotswap.engine.connections.listener_polling import ListenerPolling
from hotswap.engine.connections.offer import Offers
from hotswap.engine.connections.pollables import Pollables
from hotswap.engine.connections.poller import Poller
from hotswap.engine.connections.table import ConnectionTable
from hotswap.engine.connections.timeouts import Deadlines

if TYPE_CHECKING:
    from hotswap.engine.connections.connection import Site
    from hotswap.engine.connections.poller import Epoll
    from hotswap.engine.connections.state import EngineState


class ConnectionParts(NamedTuple):
    """Each is complete when it is made, and knows only of those before it."""

    poller: Poller
    pollables: Pollables
    listeners: ListenerPolling
    table: ConnectionTable
    offers: Offers
    idle: IdleConnections
    writer: AnswerWriter
    deadlines: Deadlines


def connection_parts(state: EngineState, sites: Collection[Site], epoll: Epoll | None = None) -> ConnectionParts:
    """For an engine that serves `sites`; `epoll` is polled, if not one of its own."""
    poller = Poller(epoll)
    pollables = Pollables(state, poller)
    listeners = ListenerPolling(
        state, pollables, [site.listener.fileno() for site in sites if site.listener is not None]
    )
    table = ConnectionTable(state, poller, pollables, listeners)
    offers = Offers(table)
    idle = IdleConnections(table, offers)
    writer = AnswerWriter(table, idle)
    deadlines = Deadlines(table, writer, listeners.ask, pollables.ask)
    return ConnectionParts(poller, pollables, listeners, table, offers, idle, writer, deadlines)
