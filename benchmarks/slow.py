"""`python -m benchmarks.slow`: what others notice of a thousand clients that send their heads byte by byte.

The 99th percentile of the time to an answer, on kept connections and on new ones, without the slow clients and with
them, and the ratio. Each is the best of some windows: one in which the machine did something else says nothing.
Loopback only. Takes about 10 seconds.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.asking import connect, get, read_answer, request
from tests.engine.slow_clients import slow_clients
from tests.harness import Program
from tests.processes import ProcessTree, adopt_orphans

SLOW = 1000
WINDOWS = 6
PAIRS = 50  # requests a window, on the kept connection and on new ones


def ask(address: str, kept: socket.socket) -> Iterator[float]:
    """Seconds to the answer, on the kept connection and on a new one, in turn."""
    for _ in range(PAIRS):
        began = time.perf_counter()
        kept.sendall(request("/version"))
        read_answer(kept)
        yield time.perf_counter() - began
        began = time.perf_counter()
        get(address, "/version")
        yield time.perf_counter() - began


def p99(address: str) -> float:
    """Seconds, in the best window."""
    with connect(address) as kept:
        windows = [sorted(ask(address, kept)) for _ in range(WINDOWS)]
    return min(times[int(len(times) * 0.99) - 1] for times in windows)


def measure(program: Program) -> dict[str, float]:
    """The figures."""
    program.start()
    quiet = p99(program.address)
    with slow_clients(program.address, SLOW):
        attacked = p99(program.address)
    return {
        "slow clients": SLOW,
        "p99 without them, ms": round(1000 * quiet, 3),
        "p99 with them, ms": round(1000 * attacked, 3),
        "ratio": round(attacked / quiet, 2),
    }


def main() -> int:
    """Measures and prints, as JSON."""
    adopt_orphans()
    tree = ProcessTree()
    with tempfile.TemporaryDirectory(prefix="hotswap-slow-") as folder:
        try:
            figures = measure(Program(Path(folder)))
        finally:
            tree.end()
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
