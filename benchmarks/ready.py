"""`python -m benchmarks.ready [CHECKOUT ...]`: how long a restart takes, beside what the imports take alone.

A start is part of every restart, so it must be short. In each round an interpreter imports what the application does,
and ends; and a server of the same application is restarted, from the start of the successor until it has taken over.
The medians of all rounds are set against each other: other load on the machine falls on both. A CHECKOUT is a folder
with another version of hotswap, an older commit for example, which is measured in the same rounds. Takes half a minute.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import ROOT
from hotswap.scoreboard import Scoreboard
from tests.harness import Program
from tests.processes import ProcessTree, adopt_orphans

ROUNDS = 7

IMPORTS = {
    "Flask": "from __future__ import annotations\n\nimport os\nfrom flask import Flask\n\napp = Flask(__name__)\n",
    "raw WSGI": "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'']\n",
}
SERVE = "import hotswap\nhotswap.serve(app, '127.0.0.1:0')\n"


@dataclass(frozen=True)
class Ready:
    """Medians, in seconds."""

    app: str
    checkout: str
    """The folder in which this hotswap lies; "." is the benchmark's own."""
    imports: float
    """An interpreter that imports what the application does, and ends."""
    restart: float
    """From the start of the successor until it has taken over, as its predecessor notes it on the scoreboard."""

    @property
    def over(self) -> float:
        """What the restart takes longer than the imports."""
        return self.restart - self.imports

    @property
    def ratio(self) -> float:
        """The restart by the imports."""
        return self.restart / self.imports


@dataclass
class _Server:
    """One application under one version of hotswap, and what was measured."""

    app: str
    checkout: Path
    program: Program
    restarts: list[float] = field(default_factory=list)

    def start(self) -> None:
        text = IMPORTS[self.app] + SERVE
        self.program.start(text=text, environ={"PYTHONPATH": str(self.checkout)})

    def restart(self) -> None:
        self.program.restart()
        # The predecessor ends within seconds; nothing of it may run beside the next measurement.
        with contextlib.closing(Scoreboard.of_pid(self.program.settle())) as board:
            self.restarts.append(board.attempts()[-1].took)


def ready(checkouts: Sequence[Path] = (ROOT,), rounds: int = ROUNDS) -> Iterator[Ready]:
    """Measures every application under every version, in turn; the figures come after the last round.

    From then on this process is a subreaper (`adopt_orphans`): generations whose parents have gone are ended with it.
    """
    adopt_orphans()
    imports: dict[str, list[float]] = {app: [] for app in IMPORTS}
    tree = ProcessTree()
    with tempfile.TemporaryDirectory(prefix="hotswap-ready-") as folder:
        servers = [
            _Server(app, checkout, Program(Path(folder) / f"{number}-{app.split()[0]}"))
            for number, checkout in enumerate(checkouts)
            for app in IMPORTS
        ]
        try:
            for server in servers:
                server.start()
            for _ in range(rounds):
                for app, times in imports.items():
                    times.append(_import_time(app, folder))
                for server in servers:
                    server.restart()
        finally:
            tree.end()
    for server in servers:
        alone, restart = median(imports[server.app]), median(server.restarts)
        yield Ready(server.app, "." if server.checkout == ROOT else str(server.checkout), alone, restart)


def _import_time(app: str, folder: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS[app]], check=True, timeout=60, cwd=folder)
    return time.perf_counter() - began


def main(arguments: list[str]) -> int:
    """Measures and prints, as JSON."""
    found = ready([ROOT, *(Path(argument).resolve() for argument in arguments)])
    figures = [{**asdict(one), "over": one.over, "ratio": one.ratio} for one in found]
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
