"""One server as a process of its own, from its start until nothing is left of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from benchmarks import ROOT
from benchmarks.apps import tally
from benchmarks.apps.work import LOOPS
from benchmarks.ask import calls
from benchmarks.cpu import cpu_seconds, members
from benchmarks.errors import BenchmarkError
from benchmarks.peer import Peer
from benchmarks.workloads import Workload

_START = 20.0
_STOP = 5.0
_INTERVAL = 0.025
_QUIET = 2.0
_LOG_LINES = 15


class Server:
    """A context: inside it the server answers at `address`."""

    def __init__(self, peer: Peer, workload: Workload, folder: Path, loops_per_ms: float) -> None:
        self._peer = peer
        self._workload = workload
        self._folder = folder
        self._loops_per_ms = loops_per_ms
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""

    def __enter__(self) -> Server:
        """Starts it and waits until it answers.

        Raises:
            BenchmarkError: it does not, with the end of what it printed.
        """
        self.address = _free_address()
        tally.make(str(self._folder / "tally"))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._peer.arguments(self.address, self._workload),
                cwd=self._folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # by which all of its processes are known
            )
        try:
            self._wait_ready(self._process)
        except BaseException:
            self._end(self._process)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stops it."""
        if self._process is not None:
            self._end(self._process)

    @property
    def session(self) -> int:
        """By which all of its processes are known."""
        assert self._process is not None, "not started"
        return self._process.pid

    def cpu_seconds(self) -> float:
        """CPU seconds that all of its processes used so far.

        Raises:
            BenchmarkError: it has ended.
        """
        assert self._process is not None, "not started"
        self._still_there(self._process)
        return cpu_seconds(self._process.pid)

    def wait_quiet(self) -> None:
        """Waits until it has done what it was still at: until it uses less than a tenth of a CPU, twice in a row. Once
        may be a moment in which the machine let it wait, and what it does then is counted with what comes next.

        Raises:
            BenchmarkError: that took too long.
        """
        assert self._process is not None, "not started"
        deadline, quiet = time.monotonic() + _QUIET, 0
        while time.monotonic() < deadline:
            before = self.cpu_seconds()
            self._passes(self._process, _INTERVAL)
            quiet = quiet + 1 if self.cpu_seconds() - before < _INTERVAL / 10 else 0
            if quiet == 2:
                return
        raise BenchmarkError(f"it was still busy {_QUIET:g} s after its clients had left")

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START
        while True:
            try:
                calls(self.address)
                return
            except BenchmarkError as error:
                self._still_there(process)
                if time.monotonic() > deadline:
                    text = f"{self._peer.name} does not answer within {_START:g} s: {error}\n{self._said()}"
                    raise BenchmarkError(text) from error
            self._passes(process, _INTERVAL)

    def _still_there(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is not None:
            raise BenchmarkError(f"{self._peer.name} ended with status {process.returncode}:\n{self._said()}")

    @staticmethod
    def _passes(process: subprocess.Popen[bytes], seconds: float) -> None:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        Server._passes(process, _STOP)
        for pid in members(process.pid):
            _kill(pid)
        process.wait()

    def _environment(self) -> dict[str, str]:
        # A small one: GUNICORN_CMD_ARGS, GRANIAN_*, UWSGI_* and the like would change what is measured.
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "XDG_RUNTIME_DIR": str(self._folder),
            LOOPS: str(self._loops_per_ms),
        }
        if self._workload.workers > 1:
            environment[tally.TALLY] = str(self._folder / "tally")
        return environment

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    def _said(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-_LOG_LINES:])


def _free_address() -> str:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
