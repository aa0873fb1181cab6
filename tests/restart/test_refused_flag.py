"""Programs that do not know --graceful are started once more without it, and then without it always."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.commanding import hotswap
from tests.harness import Program

SAYS = re.compile(r"the program does not know --graceful \(.*--graceful.*\): starting it once more, without\n")

PROGRAMS: dict[str, dict[str, Any]] = {
    "a click command": {"command": ["-m", "flask", "--app", "app", "serve"], "app": "flask_command"},
    "a Django command": {
        "command": ["-m", "django", "serve"],
        "environ": {"DJANGO_SETTINGS_MODULE": "tests.apps.django_command.settings"},
    },
    "argparse above the import": {"command": ["app.py"], "above": "boots.parses_arguments"},
}


def start(program: Program, name: str) -> None:
    """Start it, by the interpreter of the tests."""
    how = dict(PROGRAMS[name])
    program.start(command=[program.python, *how.pop("command")], **how)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_parses_a_copy(program: Program, name: str) -> None:
    """One restart succeeds with two starts, which the log says once; each later one with one start."""
    start(program, name)
    for generation in (2, 3):
        command = hotswap(program, "restart", str(program.serving_pid))
        assert command.returncode == 0, command.stderr
        assert f"generation {generation} (pid {program.serving_pid}) serves, after " in command.stdout
        assert "--graceful" not in Path(f"/proc/{program.serving_pid}/cmdline").read_bytes().decode()
    assert len(SAYS.findall(program.text())) == 1
    assert program.text().count("starting generation 2: ") == 2
    assert program.text().count("starting generation 3: ") == 1


def test_a_second_start_that_fails_too(program: Program) -> None:
    """Its failure is the restart's, and nothing is remembered: a deploy may have mended the program."""
    program.start(above=("boots.refuses_flag", 1, "fails"))
    for _ in range(2):
        command = hotswap(program, "restart", str(program.pid))
        assert command.returncode == 1
        assert "exited with status 1\nit fails all the same\n" in command.stderr
    assert len(SAYS.findall(program.text())) == 2
    program.deploy(above=[])
    assert hotswap(program, "restart", str(program.pid)).returncode == 0


def test_a_starter_remembers(program: Program) -> None:
    """Where the pid stays, the process that replaces a dead generation starts it without the flag, too."""
    program.start(above="boots.parses_arguments", stable_pid="on")
    program.restart()
    program.wait_for("its process is the starter now")
    program.send(signal.SIGKILL)
    program.wait_generation(3)
    assert "exited with status 2" not in program.text()
    assert len(SAYS.findall(program.text())) == 1


@pytest.mark.parametrize(
    ("above", "says"),
    [
        (("boots.refuses_flag", 0, "exits"), "exited with status 0"),
        (("boots.refuses_flag", 1, "hangs"), "boot_timeout (2 s)"),
        (("boots.exits", 3), "exited with status 3"),
        (("boots.kills_itself", 9), "was killed by SIGKILL"),
    ],
)
def test_other_failures(program: Program, above: tuple[object, ...], says: str) -> None:
    """One start, and no second."""
    program.start(boot_timeout=2 if "boot_timeout" in says else 60)
    program.deploy(above=above)
    command = hotswap(program, "restart", str(program.pid))
    assert command.returncode == 1
    assert says in command.stderr
    assert program.text().count("starting generation 2: ") == 1
    assert program.get("/").headers["x-generation"] == "1"
