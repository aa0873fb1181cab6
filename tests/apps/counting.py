"""An application with metrics of its own, in prometheus_client's multiprocess mode, as the recipe has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest, multiprocess

import hotswap

VERSION = "1"
SETTINGS: dict[str, Any] = {}

ASKED = Counter("shop_asked_total", "Requests")
ALIVE = Gauge("shop_alive", "Processes", multiprocess_mode="livesum")
ALIVE.set(1)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Counts, or shows what was counted by all processes."""
    start_response("200 OK", [])
    if environ["PATH_INFO"] != "/metrics":
        ASKED.inc()
        return [b"counted"]
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return [generate_latest(registry)]


def child_exit(_server: object, worker: Any) -> None:
    """A process has ended: its gauges of what lives go."""
    print("child_exit", worker.pid, worker.age, flush=True)
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    hotswap.serve(app, "127.0.0.1:0", child_exit=child_exit, **SETTINGS)
