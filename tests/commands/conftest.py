"""Fake servers for the commands: real processes with real slots, led step by step by the test."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.processes import ProcessTree

SLOT = ROOT / "tests" / "commands" / "slot.py"
DEADLINE = 15.0


class Lines:
    """A process's output, read line by line with a deadline."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = b""

    def next(self) -> str:
        """Return the next line; AssertionError if none comes in time, EOFError if there is no more."""
        while b"\n" not in self._buffer:
            assert select.select([self._fd], [], [], DEADLINE)[0], f"no line came, only {self._buffer!r}"
            data = os.read(self._fd, 65536)
            if not data:
                raise EOFError(self._buffer.decode())
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()


class Running:
    """A process with its pipes."""

    def __init__(self, arguments: list[str], environ: dict[str, str], cwd: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
            cwd=cwd,
        )
        assert self.process.stdout is not None
        self.lines = Lines(self.process.stdout.fileno())
        self.pid = self.process.pid

    def kill(self) -> None:
        """Kill it as kill -9 does."""
        self.process.kill()
        self.process.wait(DEADLINE)

    def close(self) -> None:
        """End it if it still runs, and close its pipes."""
        if self.process.poll() is None:
            self.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


class Server(Running):
    """A fake server: see slot.py."""

    path = ""

    def do(self, *commands: str) -> None:
        """Have it carry out commands, one after the other."""
        assert self.process.stdin is not None
        for command in commands:
            self.process.stdin.write(f"{command}\n".encode())
            self.process.stdin.flush()
            if command == "leave":
                self.process.wait(DEADLINE)
            else:
                assert self.lines.next() == "done"


class Command(Running):
    """A command under way."""

    def finish(self) -> tuple[int, str, str]:
        """Wait for its end: exit status, what is left of its output, its errors."""
        out, err = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, (self.lines._buffer + out).decode(), err.decode()


class Bench:
    """One run directory, with servers in it and commands that look there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[Running] = []
        (folder / "run").mkdir(mode=0o700)
        self.environ = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "HOME")},
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(folder),
            "XDG_RUNTIME_DIR": str(folder / "run"),
        }

    @property
    def run_dir(self) -> str:
        """Where the boards are, as run_dir= would say."""
        return str(self.folder / "run" / "hotswap")

    def server(self, name: str = "shop", generation: int = 1) -> Server:
        """Start a server of its own."""
        return self._start_server("new", self.run_dir, name, str(generation))

    def joining(self, other: Server, generation: int) -> Server:
        """Start another generation of a server."""
        return self._start_server("join", other.path, str(generation))

    def _start_server(self, *arguments: str) -> Server:
        server = Server([str(SLOT), *arguments], self.environ, self.folder)
        self._running.append(server)
        server.path = server.lines.next()
        return server

    def start(self, *arguments: str) -> Command:
        """Start `hotswap ARGUMENTS`, which sees no server but those of this bench.

        Root would look in everybody's run directories, and a test might stop a server of this machine.
        """
        here = () if arguments[0] == "run" else ("--run-dir", self.run_dir)
        command = Command(["-m", "hotswap", *arguments, *here], self.environ, self.folder)
        self._running.append(command)
        return command

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run `hotswap ARGUMENTS`: exit status, output, errors."""
        return self.start(*arguments).finish()

    def close(self) -> None:
        """End what runs and close what is open."""
        for running in self._running:
            running.close()


@pytest.fixture
def bench(tmp_path: Path, process_tree: ProcessTree) -> Iterator[Bench]:
    """Servers, and commands that look for them where these are and nowhere else."""
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def restarting(bench: Bench) -> Callable[..., tuple[Server, Command]]:
    """Starts a server and `hotswap restart PID`, and returns when the server has the signal."""

    def start(*arguments: str, state: str = "serving") -> tuple[Server, Command]:
        server = bench.server()
        server.do(f"state {state}")
        command = bench.start("restart", str(server.pid), *arguments)
        assert server.lines.next() == "SIGHUP"
        return server, command

    return start
