"""The Dockerfile of docs/where-it-runs.md, without docker: what its lines run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from tests.documented import documented
from tests.harness import Program
from tests.places.lives import STATUS
from tests.places.test_containers import lives_by, pid_1
from tests.restart.test_refusals import namespace

__all__ = ["namespace"]


def instruction(name: str) -> str:
    """What stands behind that word in the file."""
    (found,) = (
        line.partition(" ")[2]
        for line in documented("where-it-runs.md", "Dockerfile").splitlines()
        if line.startswith(f"{name} ")
    )
    return found


def test_its_command_is_pid_1(program: Program, namespace: Sequence[str]) -> None:
    """It restarts and drains by the signals that `docker kill` and `docker stop` send."""
    words = json.loads(instruction("CMD"))
    assert words[:3] == ["hotswap", "run", "shop:app"]
    words[words.index("0.0.0.0:8000")] = "127.0.0.1:0"
    program.deploy(below=("endings.with_status", STATUS))
    (program.folder / "shop.py").symlink_to(program.script)
    program.start(command=[*namespace, program.python, "-m", *words])
    lives_by(program, pid_1(program))


def test_what_it_installs(program: Program) -> None:
    """The line installs what the file names; here that is there already, and no index is asked."""
    (program.folder / "requirements.txt").write_text("hotswap\nflask\n")
    words = instruction("RUN").split()
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=program.folder,
        env={**program.environment({"PYTHONPATH": ""}), "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert "Requirement already satisfied: hotswap" in done.stdout
