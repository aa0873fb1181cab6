"""`python -m tests.fuzz.memory`: a million requests, after which the process is as large as it was before."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from tests.engine.lane_turns import Turns
from tests.engine.test_both_lanes import PLAIN

REQUESTS = 1_000_000
GROWTH = 2 << 20  # bytes; one pointer that is leaked by each request would be four times that
_WARM = 20_000


def main() -> int:
    """The exit status: 1 if it has grown."""
    turns = Turns()
    kept = [data for data in PLAIN if b"close" not in data and (b"HTTP/1.1" in data or b"eep-" in data)]
    serve(turns, kept, _WARM)
    before = resident()
    serve(turns, kept, REQUESTS)
    grown = resident() - before
    turns.end()
    print(f"{REQUESTS:,} requests in lane {turns.lane}: {grown / 1024:+.0f} KiB", flush=True)
    return int(grown > GROWTH)


def serve(turns: Turns, requests: list[bytes], times: int) -> None:
    """One after the other."""
    for number in range(times):
        assert turns.turn(requests[number % len(requests)])
        turns.answer()


def resident() -> int:
    """The process's memory, in bytes, without what is only waiting to be collected."""
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise LookupError("no VmRSS in /proc/self/status")


if __name__ == "__main__":
    sys.exit(main())
