"""What the processes of a cluster hold in memory: loaded once before the fork, or by each worker for itself."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from benchmarks.cpu import members
from benchmarks.load import Wrk
from benchmarks.peer import Peer
from benchmarks.server import Server
from benchmarks.workloads import PAGES, WORKLOADS, Workload

WORKERS = 4

_SECONDS = 1.0
_CLIENTS = 64
_APP = "{app}:application"
_HOTSWAP = f"python -m hotswap run --bind {{address}} --workers {WORKERS}"
_GUNICORN = f"gunicorn --bind {{address}} --workers {WORKERS} --worker-class gthread --threads 64"
_GRANIAN = f"granian --host {{host}} --port {{port}} --interface wsgi --workers {WORKERS} --backpressure 128"

SERVERS = (
    Peer("hotswap", "hotswap", "", "as installed: loaded once", pair=f"{_HOTSWAP} {_APP}"),
    Peer("hotswap, each loads", "hotswap", "", "--no-preload", pair=f"{_HOTSWAP} --no-preload {_APP}"),
    Peer("gunicorn, loaded once", "gunicorn", "", "--preload", pair=f"{_GUNICORN} --preload {_APP}"),
    Peer("gunicorn", "gunicorn", "", "as installed: each loads", pair=f"{_GUNICORN} {_APP}"),
    Peer("granian", "granian", "", "each loads", pair=f"{_GRANIAN} {_APP}"),
)


@dataclass(frozen=True)
class Memory:
    """Bytes, after some load: of all processes together, and of one worker in the mean."""

    server: str
    processes: int
    pss: int
    """Of all of them; a page that several have counts once (proc_pid_smaps_rollup(5))."""
    worker_rss: float
    worker_pss: float
    worker_private: float


def memory() -> Iterator[Memory]:
    """Starts each server in turn, asks it for the Flask page for a while, and looks.

    Raises:
        BenchmarkError: one does not start.
    """
    hello = next(one for one in WORKLOADS if one.name == "flask")
    workload = Workload("memory", "", PAGES, hello.asks, workers=WORKERS)
    for peer in SERVERS:
        with tempfile.TemporaryDirectory() as folder, Server(peer, workload, Path(folder), 1.0) as server:
            Wrk(server.address, workload.asks, _CLIENTS).run(_SECONDS)
            yield _look(peer.name, server.session)


def _look(name: str, session: int) -> Memory:
    found = {pid: _rollup(pid) for pid in members(session)}
    # The workers are those with the highest numbers: they were started last.
    workers = [found[pid] for pid in sorted(found)[-WORKERS:]]
    return Memory(
        name,
        len(found),
        sum(one["Pss"] for one in found.values()),
        mean(one["Rss"] for one in workers),
        mean(one["Pss"] for one in workers),
        mean(one["Private_Clean"] + one["Private_Dirty"] for one in workers),
    )


def _rollup(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(value.split()[0]) * 1024 for name, _, value in (line.partition(":") for line in lines)}
