"""Listeners of a server that stops, at the moment before they are closed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hotswap.engine import Service
from hotswap.handover.engine_node import HandoverEngine
from hotswap.handover.exchange import Exchange
from hotswap.handover.peers import Peers
from tests.engine.apps import hello
from tests.engine.engine_server import EngineServer


@pytest.fixture
def server(live: None) -> Iterator[EngineServer]:
    """An engine."""
    made = EngineServer(hello)
    yield made
    made.end()


def test_who_comes_while_it_drains_is_served(server: EngineServer) -> None:
    """Connections that came after the accept queue was emptied would be reset by the close."""
    exchange = Exchange.create()
    service = Service("main", server.listener, hello, ("127.0.0.1", "1"))
    node = HandoverEngine(server.engine, [service], Peers(exchange, lambda: False, lambda _seconds, _call: None))
    node.start()
    node.open()
    node.drain()
    late = [server.connect() for _ in range(3)]
    node.close_listeners(server.listener.close)
    for client in late:
        answer = client.get("/late")
        assert (answer.body, answer.headers["connection"]) == (b"/late", "close")
    with pytest.raises(ConnectionRefusedError):
        server.connect()
    exchange.close()
