"""CPU-bound work of a known size.

It is measured once a run how many loops this machine does in a millisecond, and every server gets that number: so a
"2 ms call" is the same work for all of them.
"""

from __future__ import annotations

import time

#: The environment variable that takes the number of loops a millisecond to the servers.
LOOPS = "BENCHMARK_LOOPS_PER_MS"

_TRIAL = 20_000
_TRIALS = 20


def work(loops: int) -> int:
    """Keeps the GIL busy."""
    total = 0
    for number in range(loops):
        total ^= number
    return total


def loops_per_ms() -> float:
    """How many loops this machine does in a millisecond of CPU time: the best of several trials, for others run too."""
    return max(_trial() for _ in range(_TRIALS))


def _trial() -> float:
    began = time.thread_time()
    work(_TRIAL)
    return _TRIAL / (time.thread_time() - began) / 1000
