"""`python -m benchmarks.idle [CONNECTIONS]`: what 10,000 idle keep-alive connections cost, and how fast they move.

Memory and CPU time of the server's process, and the time from the moment when the old generation begins to leave until
the new one has the last connection. Loopback only; both processes need that many descriptors. Takes about 15 seconds.
"""

from __future__ import annotations

import json
import os
import select
import sys
import tempfile
import time
from pathlib import Path

from hotswap.scoreboard import Scoreboard
from tests.harness import Program
from tests.many_connections import ManyConnections
from tests.processes import ProcessTree, adopt_orphans

CONNECTIONS = 10_000
IDLE_SECONDS = 5.0
LOOK = 0.005  # seconds between two looks at where the connections are
DEADLINE = 30.0


def memory(pid: int) -> int:
    """Bytes of memory of its own that the process holds (proc_pid_status(5), RssAnon)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/{pid}/status has no RssAnon")


def cpu(pid: int) -> float:
    """CPU seconds that the threads of the process have used, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def descriptors(pid: int) -> int:
    """How many the process has open. Asked of the kernel: what the scoreboard says may be a second old."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def move(program: Program, board: Scoreboard, count: int) -> float:
    """Restart; seconds from the beginning of the old generation's leaving until the new one has all connections."""
    program.hup()
    began = 0.0
    until = time.perf_counter() + DEADLINE
    while time.perf_counter() < until:
        if not began:
            found = {view.generation: view for view in board.slots()}
            if found[1].state not in ("serving", "restarting"):
                began, successor = time.perf_counter(), found[2].pid
        elif descriptors(successor) >= count:
            return time.perf_counter() - began
        select.select([], [], [], LOOK)
    raise TimeoutError(f"not within {DEADLINE:g} s: {board.slots()}")


def measure(program: Program, count: int) -> dict[str, float]:
    """The figures."""
    program.start(worker_connections=2 * count)
    pid = program.serving_pid
    with ManyConnections(program.address, 100) as warm:
        warm.get("/version")
    empty = memory(pid)
    with ManyConnections(program.address, count) as clients:
        clients.get("/version")
        full, used = memory(pid), cpu(pid)
        select.select([], [], [], IDLE_SECONDS)
        used = cpu(pid) - used
        program.deploy(version="2")
        took = move(program, Scoreboard.of_pid(pid), count)
        lost = clients.readable()
        answered = clients.get("/version")[b"2"] if not lost else 0
    return {
        "connections": count,
        "memory of the process when empty, MiB": round(empty / 2**20, 1),
        "memory for a connection, bytes": round((full - empty) / count),
        "CPU while idle, percent": round(100 * used / IDLE_SECONDS, 3),
        "handing all over, seconds": round(took, 3),
        "lost": count - answered,
    }


def main(arguments: list[str]) -> int:
    """Measures and prints, as JSON; the exit status is 1 if a connection was lost."""
    adopt_orphans()
    tree = ProcessTree()
    with tempfile.TemporaryDirectory(prefix="hotswap-idle-") as folder:
        try:
            figures = measure(Program(Path(folder)), int(arguments[0]) if arguments else CONNECTIONS)
        finally:
            tree.end()
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 1 if figures["lost"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
