"""Idle connections cost next to nothing, and all of them can be handed over at once."""

from __future__ import annotations

import gc
import select
import time
import tracemalloc

from hotswap.engine import Moved
from tests.engine.apps import hello
from tests.engine.engine_server import EngineServer, Serve
from tests.eventually import eventually
from tests.many_connections import ManyConnections

MANY = 1000
MOST_MEMORY = 2048  # bytes of Python memory for each
MOST_CPU = 0.1  # seconds, in half a second with nothing to do


def address(server: EngineServer) -> str:
    return f"127.0.0.1:{server.address[1]}"


def test_memory(serve: Serve) -> None:
    """Both ends of an idle connection together stay below 2 KiB of Python memory, after a request as before it."""
    server = serve(hello, settings={"worker_connections": 2 * MANY})
    with ManyConnections(address(server), 50) as first:
        first.get("/x")
    server.wait_idle()
    gc.collect()
    tracemalloc.start()
    try:
        with ManyConnections(address(server), MANY) as clients:
            clients.get("/x")
            gc.collect()
            used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used / MANY < MOST_MEMORY


def test_cpu(serve: Serve) -> None:
    """A thousand idle connections use no CPU: in half a second, in which one of them gets nothing."""
    server = serve(hello, settings={"worker_connections": 2 * MANY})
    with ManyConnections(address(server), MANY) as clients:
        clients.get("/x")
        eventually(lambda: server.engine.counters.in_flight == 0)
        before = time.process_time()
        assert select.select([clients.socks[0]], [], [], 0.5)[0] == []
        used = time.process_time() - before
        assert clients.readable() == 0
    assert used < MOST_CPU


def test_all_are_handed_over_and_none_is_lost(serve: Serve) -> None:
    """In lists of 64, to another engine, where each is answered; `benchmarks.idle` measures how long that takes."""
    old = serve(hello, settings={"worker_connections": 2 * MANY})
    new = serve(hello, settings={"worker_connections": 2 * MANY})
    sizes: list[int] = []

    def give(moved: list[Moved]) -> list[Moved]:
        sizes.append(len(moved))
        new.engine.adopt(moved)
        return []

    with ManyConnections(address(old), MANY) as clients:
        clients.get("/before")
        old.engine.leave(give)
        old.wait_idle()  # the thread that sent the last answer may not have been done with its connection
        assert (old.engine.idle, new.engine.counters.adopted) == (True, MANY)
        assert clients.readable() == 0
        assert clients.get("/after") == {b"/after": MANY}
    assert max(sizes) <= 64
    assert len(sizes) < 2 * MANY / 64
