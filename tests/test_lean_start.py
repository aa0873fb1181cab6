"""A start is part of every restart: what it imports for nothing is paid at every one."""

from __future__ import annotations

import subprocess
import sys

from tests.harness import ROOT, Program
from tests.live import starts_processes

#: Each costs 5 to 50 ms. What brings them in where they are wanted: forked workers of other classes, the commands,
#: a start that fails.
FOR_NOTHING = {
    "asyncio",
    "concurrent.futures",
    "gunicorn.app.base",
    "gunicorn.arbiter",
    "hotswap.starter.becoming",
    "dotenv",
    "hotswap.log.json_lines",
    "hotswap.serving.event_commands",
    "hotswap.serving.path_watch",
    "hotswap.settings.types",
    "http.client",
    "importlib.metadata",
    "multiprocessing",
    "pydoc",
    "sqlite3",
    "typing_extensions",
    "unittest",
    "urllib.request",
    "uvicorn",
    "watchfiles",
    "werkzeug",
    "xml",
}


def test_what_is_not_needed_is_not_imported(program: Program) -> None:
    """Threads in one process, no debugger, no failure: the time to ready is measured by `benchmarks.ready`."""
    program.start(below="sayings.imported")
    imported = program.wait_for(r"imported: (.*) \.\n")[1].split()
    assert "gunicorn.config" in imported
    assert FOR_NOTHING.isdisjoint(imported)


#: What other commands need of them costs `hotswap start` 20 ms of its 60.
FOR_OTHER_COMMANDS = {"dataclasses", "gunicorn", "hotswap.scoreboard", "inspect", "pathlib", "subprocess"}


@starts_processes
def test_a_command_is_started_without_waiting_for_other_commands() -> None:
    """`hotswap start` is two interpreters, one after the other: this is what the first one imports."""
    program = "import sys, hotswap.cli.main, hotswap.cli.start; print(*sys.modules)"
    # -S: what a virtual environment's site brings is none of ours.
    arguments = [sys.executable, "-S", "-c", program]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    imported = done.stdout.split()
    assert "hotswap.starter.becoming" in imported
    assert FOR_OTHER_COMMANDS.isdisjoint(imported)
