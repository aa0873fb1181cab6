"""Idle connections cost next to nothing, and all of them can be handed over at once."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable

from hotswap.engine import Moved
from tests.crowd import Crowd
from tests.engine.apps import hello
from tests.engine.rig import Rig

MakeRig = Callable[..., Rig]
MANY = 1000
MOST_MEMORY = 2048  # bytes of Python memory for each
MOST_CPU = 0.02  # seconds, in half a second with nothing to do
MOST_TIME = 1.0  # seconds for handing all of them over; a tenth of that is usual


def address(rig: Rig) -> str:
    return f"127.0.0.1:{rig.address[1]}"


def test_memory(rig: MakeRig) -> None:
    """Both ends of an idle connection together stay below 2 KiB of Python memory, after a request as before it."""
    make = rig(hello, settings={"worker_connections": 2 * MANY})
    with Crowd(address(make), 50) as first:
        first.ask("/x")
    make.wait_idle()
    gc.collect()
    tracemalloc.start()
    try:
        with Crowd(address(make), MANY) as crowd:
            crowd.ask("/x")
            gc.collect()
            used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used / MANY < MOST_MEMORY


def test_cpu(rig: MakeRig) -> None:
    """A thousand idle connections use no CPU: in half a second, which another connection's deadline tells."""
    make = rig(hello, settings={"worker_connections": 2 * MANY}, head_timeout=0.5)
    with Crowd(address(make), MANY) as crowd:
        crowd.ask("/x")
        slow = make.connect()
        slow.send(b"GET / HT")
        before = time.process_time()
        assert slow.read().status == 408
        used = time.process_time() - before
        assert crowd.stirred() == 0
    assert used < MOST_CPU


def test_all_are_handed_over_and_none_is_lost(rig: MakeRig) -> None:
    """In lists of 64 at most, to another engine, where each is answered; and quickly."""
    old = rig(hello, settings={"worker_connections": 2 * MANY})
    new = rig(hello, settings={"worker_connections": 2 * MANY})
    sizes: list[int] = []

    def give(moved: list[Moved]) -> list[Moved]:
        sizes.append(len(moved))
        new.engine.adopt(moved)
        return []

    with Crowd(address(old), MANY) as crowd:
        crowd.ask("/before")
        before = time.perf_counter()
        old.engine.leave(give)
        took = time.perf_counter() - before
        old.wait_idle()  # the thread that sent the last answer may not have been done with its connection
        assert (old.engine.idle, new.engine.counters.adopted) == (True, MANY)
        assert crowd.stirred() == 0
        assert crowd.ask("/after") == {b"/after": MANY}
    assert max(sizes) <= 64
    assert took < MOST_TIME
