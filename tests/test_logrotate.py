"""The file for logrotate that docs/logs.md shows, run by logrotate."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.documented import documented
from tests.eventually import eventually
from tests.harness import Program
from tests.processes import descriptors

pytestmark = pytest.mark.needs("logrotate", "logrotate")


def test_rotation(program: Program) -> None:
    """The next lines are in a new file, those of a worker and of the next generation too; none is lost."""
    folder = program.folder / "log"
    folder.mkdir(mode=0o755)
    log = folder / "access.log"
    program.start(workers=1, accesslog=str(log), access_log_format="%(U)s", name="shop")
    program.get("/echo/one")
    eventually(lambda: lines(log) == ["/echo/one"])
    command = f"{program.python} -m hotswap reopen --run-dir {program.folder}/run/hotswap"
    changes = {"/var/log/shop": str(folder), "/srv/shop/current/venv/bin/hotswap reopen": command}
    conf = program.folder / "logrotate.conf"
    conf.write_text(documented("logs.md", "shop", changes))
    conf.chmod(0o644)
    rotate = ["logrotate", "--force", "--state", str(program.folder / "state"), str(conf)]
    subprocess.run(rotate, check=True, timeout=30, env=program.environment({}))
    rotated = folder / "access.log.1"
    eventually(lambda: log.exists() and not has_open(program, rotated), "the log is not opened again")
    program.get("/echo/two")
    program.restart()
    program.get("/echo/three")
    eventually(lambda: lines(log) == ["/echo/two", "/echo/three"])
    assert lines(rotated) == ["/echo/one"]
    program.stop()


def lines(path: Path) -> list[str]:
    """Those of a file."""
    return path.read_text().splitlines()


def has_open(program: Program, path: Path) -> bool:
    """Whether a process of the program has that file open."""
    return any(str(path) in descriptors(pid).values() for pid in program.alive())
