"""`python -m benchmarks.starter`: what the process costs whose pid stays, and what `stable_pid` adds to a start.

In each round a bare interpreter, the starter and a server are started, with the starter in front and without it; the
medians of all rounds are set against each other: other load on the machine falls on all. Takes half a minute.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.harness import Program
from tests.processes import ProcessTree, adopt_orphans

ROUNDS = 7
BARE = [sys.executable, "-I", "-S", "-c", "import sys; print(flush=True); sys.stdin.read()"]
_APP = "import hotswap\n\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'']\n"


class StarterFigures(NamedTuple):
    """Medians. Memory is resident, in KiB; times are seconds from the start of the command.

    starter_starts: until it starts the server. ready_with, ready_without: until the server serves.
    """

    bare_kib: float
    starter_kib: float
    starter_starts: float
    ready_with: float
    ready_without: float


def starter(rounds: int = ROUNDS) -> StarterFigures:
    """Measure. From then on this process is a subreaper (`adopt_orphans`)."""
    adopt_orphans()
    tree = ProcessTree()
    columns: list[tuple[float, ...]] = []
    with tempfile.TemporaryDirectory(prefix="hotswap-starter-") as folder:
        try:
            for number in range(rounds):
                kib, starts, with_it = _with_starter(Program(Path(folder) / f"with-{number}"))
                columns.append((_bare(), kib, starts, with_it, _without(Program(Path(folder) / f"without-{number}"))))
        finally:
            tree.end()
    return StarterFigures(*(median(column) for column in zip(*columns, strict=True)))


def _bare() -> float:
    with subprocess.Popen(BARE, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        return rss(process.pid)


def _with_starter(program: Program) -> tuple[float, float, float]:
    began = time.perf_counter()
    program.start(command=_command(program, "on"), text=_APP, ready=False)
    program.wait_for("the pid stays")
    starts = time.perf_counter() - began
    program.wait_generation(1)
    ready = time.perf_counter() - began
    kib = rss(program.pid)
    program.send(signal.SIGTERM, program.pid)
    program.wait_status()
    return kib, starts, ready


def _without(program: Program) -> float:
    began = time.perf_counter()
    program.start(command=_command(program, "off"), text=_APP)
    ready = time.perf_counter() - began
    program.stop()
    return ready


def _command(program: Program, stable_pid: str) -> list[str]:
    return [program.python, "-m", "hotswap", "run", "app:app", "-b", "127.0.0.1:0", "--stable-pid", stable_pid]


def rss(pid: int) -> int:
    """The resident memory of a process (KiB, proc(5))."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def main(arguments: Sequence[str]) -> int:
    """Measure and print, as JSON."""
    rounds = int(arguments[0]) if arguments else ROUNDS
    sys.stdout.write(json.dumps(starter(rounds)._asdict(), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
