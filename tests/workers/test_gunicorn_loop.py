"""A worker under gunicorn's arbiter, in this process: what takes an exchange that is too small to see."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger

from hotswap.callbacks import draining
from hotswap.engine import Counters
from hotswap.handover.exchange import Exchange
from hotswap.system.listeners import bound_text
from hotswap.system.signals import SignalQueue
from hotswap.workers.native.arbiter_shared import ArbiterShared
from hotswap.workers.native.gunicorn_loop import GunicornLoop
from tests.many_connections import ManyConnections

MANY = 200


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Says hello."""
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


@pytest.fixture
def shared(live: None) -> Iterator[ArbiterShared]:
    """One whose exchange has room for very few messages."""
    made = ArbiterShared()
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    made.exchange.close()
    made.exchange = Exchange(sender.detach(), receiver.detach())
    yield made
    draining.clear()
    made.exchange.close()
    made.board.close()


def test_what_the_exchange_cannot_hold_is_drained(shared: ArbiterShared) -> None:
    """A worker that is spent, and the only one, leaves behind what there is room for, and does not wait for ever."""
    cfg = Config()
    cfg.set("keepalive", 75)
    with socket.create_server(("127.0.0.1", 0)) as listener, SignalQueue(handled=()) as signals:
        listener.setblocking(False)
        worker: Any = SimpleNamespace(
            cfg=cfg, log=Logger(cfg), ppid=os.getppid(), sockets=[SimpleNamespace(sock=listener, close=list)],
            wsgi=app, age=1, alive=True, max_requests=MANY, notify=list, counters=Counters(),
        )  # fmt: skip
        loop = GunicornLoop(worker, shared, shared.enter(1), signals)
        thread = threading.Thread(target=loop.run, daemon=True)
        thread.start()
        with ManyConnections(bound_text(listener), MANY) as clients:
            assert clients.get("/") == {b"hello": MANY}
            thread.join(15)
            assert not thread.is_alive()
            left = 0
            while (passed := shared.exchange.receive()) is not None:
                left += len(passed)
                for item in passed:
                    os.close(item.fd)
            assert 0 < left < MANY
            # The others were closed by the worker; those whose descriptors are closed here, by this test.
            assert all(sock.recv(1) == b"" for sock in clients.socks)
    logging.getLogger("gunicorn.error").handlers.clear()
    logging.getLogger("gunicorn.access").handlers.clear()
