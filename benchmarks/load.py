"""Load from wrk, and what it found.

wrk keeps each connection busy with one request at a time. Its percentiles are corrected for what a client could not ask
while it waited (coordinated omission), for all servers alike.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.workloads import Ask

#: Seconds within which one answer must come; wrk counts what takes longer.
TIMEOUT = 10

_SCRIPT = Path(__file__).with_name("wrk.lua")
_MARK = "found "
_PATIENCE = 5.0


@dataclass(frozen=True)
class Load:
    """What wrk found."""

    requests: int
    """Answers that arrived, whatever their status."""
    seconds: float
    bytes: int
    """All that arrived, heads too, and what had arrived of answers that were not complete at the end."""
    p50_ms: float
    p99_ms: float
    errors: dict[str, int]
    """Those that there were, by kind: connect, read, write, status (400 and above), timeout."""


class Wrk:
    """One wrk that runs until it is ended."""

    def __init__(self, address: str, asks: Iterable[Ask], clients: int) -> None:
        self._process = subprocess.Popen(
            command(address, asks, clients), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, seconds: float) -> Load:
        """Lets it go on for so long, and ends it.

        Raises:
            BenchmarkError: it could not be started, or did not say what it found.
        """
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        return self.end()

    def end(self) -> Load:
        """Interrupts it: it then looks once in 100 ms whether it should stop, and says what it found."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return parse(self._process.communicate(timeout=_PATIENCE)[0])
        except subprocess.TimeoutExpired:
            raise BenchmarkError(f"wrk did not stop within {_PATIENCE:g} s") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """Ends it for certain."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def command(address: str, asks: Iterable[Ask], clients: int) -> list[str]:
    """The command line. One thread: on a small machine a second one would take what the server needs."""
    asks = tuple(asks)
    turn = [word for ask in asks for word in (str(ask.times), ask.path)]
    options = ["--threads", "1", "--connections", str(clients), "--timeout", f"{TIMEOUT}s"]
    # wrk counts whole seconds only, so it is told to run for long and is interrupted.
    options += ["--duration", "1h", "--script", str(_SCRIPT)]
    return ["wrk", *options, f"http://{address}/", "--", str(max(ask.body for ask in asks)), *turn]


def parse(text: str) -> Load:
    """What wrk printed, by the line that wrk.lua writes.

    Raises:
        BenchmarkError: there is no such line.
    """
    line = next((line for line in text.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        raise BenchmarkError(f"wrk said nothing of use: {' '.join(text.split()) or 'nothing at all'}")
    found = json.loads(line.removeprefix(_MARK))
    return Load(
        requests=found["requests"],
        seconds=found["microseconds"] / 1e6,
        bytes=found["bytes"],
        p50_ms=found["p50"] / 1e3,
        p99_ms=found["p99"] / 1e3,
        errors={kind: count for kind, count in found["errors"].items() if count},
    )


def wrk_version() -> str:
    """The version of wrk, such as "debian/4.1.0-3+b2".

    Raises:
        BenchmarkError: wrk is not here.
    """
    if shutil.which("wrk") is None:
        raise BenchmarkError("wrk is not here: on Debian and Ubuntu, apt-get install wrk")
    return subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout.split()[1]
