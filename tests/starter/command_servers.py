"""Servers that `hotswap start` runs, and what is asked of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.asking import get
from tests.eventually import eventually
from tests.harness import Program
from tests.traffic.answers import Answer

#: Knows neither hotswap nor sd_notify: reads its listener's number, and says so when it begins.
PLAIN = """\
import os, select, signal, socket, sys
items = dict(item.rpartition("=")[::2] for item in os.environ["SERVER_STARTER_PORT"].split(";") if item)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("begun", os.environ["SERVER_STARTER_GENERATION"], os.environ.get("MOOD"), flush=True)
if os.path.exists("broken"):
    sys.exit(7)
listener = socket.socket(fileno=int(list(items.values())[0]))
listener.setblocking(False)
while True:
    # Only here may it be ended: a client that was accepted is answered.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    select.select([listener], [], [])
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        client, _ = listener.accept()
    except BlockingIOError:
        continue
    client.setblocking(True)
    path = client.recv(1000).split()[1]
    body = os.environ["SERVER_STARTER_GENERATION"].encode() + b" " + path
    client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n%s" % (len(body), body))
    client.close()
"""
#: The same, and tells when it is ready, which takes a moment.
SPEAKING = PLAIN.replace(
    "listener =",
    """while not os.path.exists("go"):
    signal.sigtimedwait([], 0.01)
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.sendto(b"READY=1", "\\0" + os.environ["NOTIFY_SOCKET"][1:])
print("said ready", os.environ["SERVER_STARTER_GENERATION"], flush=True)
listener =""",
)


class Started:
    """A program of the harness behind `hotswap start`, at a unix socket."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.path = program.folder / "s.sock"
        self.pid_file, self.status_file = program.folder / "pid", program.folder / "status"

    def start(self, text: str, *options: str) -> Started:
        """Start it, and wait until its first worker serves."""
        program = self.program
        program.folder.mkdir(exist_ok=True)
        (program.folder / "server.py").write_text(text)
        files = ["--pid-file", str(self.pid_file), "--status-file", str(self.status_file)]
        listens = ["--path", str(self.path), "--interval", "0.2"]
        command = [*hotswap_start(), *files, *listens, *options, "--", sys.executable, "server.py"]
        mark = program.mark()
        program.start(command=command, ready=False, text=text)
        pid = int(program.wait_for(r"starting new worker (\d+)", since=mark)[1])
        eventually(lambda: self.status_file.exists() and pid in self.status().values(), "no worker was accepted")
        # The first one counts as serving when it has lived as long as the interval, be it that it has hardly begun.
        program.wait_for("said ready 1" if text == SPEAKING else "begun 1", since=mark)
        return self

    def get(self) -> Answer:
        """Ask it on a new connection."""
        return get(f"unix:{self.path}", "/")

    def generation(self) -> str:
        """Which one answers."""
        return self.get().body.decode().split()[0]

    def status(self) -> dict[int, int]:
        """Generation to pid, as the status file has it."""
        lines = self.status_file.read_text().splitlines()
        return {int(line.split(":")[0]): int(line.split(":")[1]) for line in lines}

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`hotswap start --restart` or `--stop`."""
        files = ["--pid-file", str(self.pid_file), "--status-file", str(self.status_file)]
        command = [*hotswap_start(), *words, *files]
        environ, folder = self.program.environment({}), self.program.folder
        return subprocess.run(command, capture_output=True, text=True, timeout=40, cwd=folder, env=environ)


def hotswap_start() -> list[str]:
    """The command."""
    return [sys.executable, "-m", "hotswap", "start"]


def names_in(folder: Path) -> set[str]:
    """The files that are left of a server."""
    return {path.name for path in folder.iterdir()} & {"s.sock", "pid", "status", "status.failed"}
