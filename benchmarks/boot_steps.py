"""What a restart spends its time on until it is ready: the interpreter, imports by whose they are, and all the rest.

Imports are timed by Python (PYTHONPROFILEIMPORTTIME), which itself takes a while for each; so all of it is measured
with that on, and is a little more than the time to ready beside it.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import ROOT
from benchmarks.ready import IMPORTS, SERVE
from hotswap.scoreboard import Scoreboard
from tests.harness import Program
from tests.processes import ProcessTree, adopt_orphans

ROUNDS = 5
_TIMED = {"PYTHONPROFILEIMPORTTIME": "1"}
_LINE = re.compile(r"^import time: +(\d+) \| +\d+ \| *(\S+)$", re.MULTILINE)
_OWN = ("hotswap", "gunicorn")
_LAST_OF_THE_INTERPRETER = "site"


@dataclass(frozen=True)
class Steps:
    """Medians, in seconds. The steps are all of `total`."""

    app: str
    interpreter: float
    """It starts, and ends."""
    application: float
    """The modules that the application needs without hotswap."""
    hotswap: float
    gunicorn: float
    others: float
    """Of the standard library, and setproctitle: what only hotswap and gunicorn need."""
    rest: float
    """Settings, listeners, scoreboard, engine, the listeners' take-over."""

    @property
    def total(self) -> float:
        """From the start of the successor until it has taken over."""
        return self.interpreter + self.application + self.hotswap + self.gunicorn + self.others + self.rest


def imports(log: str) -> dict[str, float]:
    """Module -> seconds of its own, of one process; without those that every interpreter imports."""
    found = [(name, int(microseconds) / 1e6) for microseconds, name in _LINE.findall(log)]
    names = [name for name, _ in found]
    begin = names.index(_LAST_OF_THE_INTERPRETER) + 1 if _LAST_OF_THE_INTERPRETER in names else 0
    return dict(found[begin:])


def by_owner(log: str, application: Iterable[str]) -> dict[str, float]:
    """Seconds by whose modules they are; `application`: the names of its own."""
    needed, seconds = set(application), dict.fromkeys(("application", *_OWN, "others"), 0.0)
    for name, took in imports(log).items():
        top = name.partition(".")[0]
        seconds[top if top in _OWN else "application" if name in needed else "others"] += took
    return seconds


def boot_steps(rounds: int = ROUNDS) -> list[Steps]:
    """For each application. From then on this process is a subreaper, as after `ready`."""
    adopt_orphans()
    tree = ProcessTree()
    with tempfile.TemporaryDirectory(prefix="hotswap-steps-") as folder:
        try:
            return [_measure(app, Path(folder) / app.split()[0], rounds) for app in IMPORTS]
        finally:
            tree.end()


def _measure(app: str, folder: Path, rounds: int) -> Steps:
    program = Program(folder)
    program.start(text=IMPORTS[app] + SERVE, environ={"PYTHONPATH": str(ROOT), **_TIMED})
    needed = imports(_python(IMPORTS[app])[1])
    found: list[dict[str, float]] = []
    for _ in range(rounds):
        mark = program.mark()
        program.restart()
        # The predecessor ends within seconds; nothing of it may run beside the next measurement.
        with contextlib.closing(Scoreboard.of_pid(program.settle())) as board:
            took = board.attempts()[-1].took
        steps = {"interpreter": _python("")[0], **by_owner(program.text()[mark:], needed)}
        found.append({**steps, "rest": took - sum(steps.values())})
    program.stop()
    return Steps(app, **{name: median(one[name] for one in found) for name in found[0]})


def _python(code: str) -> tuple[float, str]:
    """How long an interpreter takes that runs this, and what it says of its imports."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], check=True, timeout=60, capture_output=True, text=True
    )
    return time.perf_counter() - began, done.stderr
