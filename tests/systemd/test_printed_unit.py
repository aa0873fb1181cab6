"""What `hotswap systemd-unit` prints, run by the real systemd."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.harness import READY, Program
from tests.systemd.namespaced import HEAD, Systemd
from tests.systemd.units import UNIT

pytestmark = [pytest.mark.needs("systemctl", "systemd"), pytest.mark.needs("nsenter", "util-linux")]


def printed(program: Program, folder: Path, *options: str) -> str:
    """The unit for a program, called in that folder."""
    done = subprocess.run(
        [program.python, "-m", "hotswap", "systemd-unit", "app:app", "--bind", "127.0.0.1:0", *options],
        capture_output=True,
        text=True,
        cwd=folder,
        env=program.environment({"PWD": str(folder)}),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def install(systemd: Systemd, program: Program, text: str) -> None:
    """Writes it, and beside it what only the tests need."""
    systemd.write(UNIT, text)
    lines = ["[Service]", f"StandardOutput=append:{program.log}", f"StandardError=append:{program.log}"]
    lines += [f"Environment=PYTHONPATH={program.environment({})['PYTHONPATH']}"]
    systemd.write(f"{UNIT}.d/test.conf", "\n".join([HEAD, *lines, ""]))


def test_start_reload_stop(systemd: Systemd, programs: Callable[[str], Program], tmp_path: Path) -> None:
    """A deploy by a moved link, a broken one, of which `systemctl reload` tells, and the end."""
    first, second = programs("first"), programs("second")
    first.deploy(version="1")
    second.deploy(version="2")
    current = tmp_path / "current"
    current.symlink_to("first")
    install(systemd, first, printed(first, current))
    systemd.ctl("start", UNIT)
    first.wait_for(READY)
    assert first.get("/version").body == b"1"

    current.unlink()
    current.symlink_to("second")
    systemd.ctl("reload", UNIT)
    assert first.get("/version").body == b"2"

    second.deploy(above="boots.divides")
    failed = systemd.run("systemctl", "reload", UNIT)
    assert failed.returncode == 1
    assert first.get("/version").body == b"2"
    assert "ZeroDivisionError" in systemd.show(UNIT, "StatusText")
    assert systemd.show(UNIT, "ActiveState") == "active"

    systemd.run("systemctl", "stop", UNIT)
    eventually(lambda: systemd.processes(UNIT) == [], "processes are left")


def test_words_arrive_as_they_were_written(systemd: Systemd, program: Program) -> None:
    """systemd finds no specifier, variable or end of a word in what a user wrote."""
    program.deploy()
    odd = "%n $HOME ${HOME} \"a'b\\"
    install(systemd, program, printed(program, program.folder, "--name", odd))
    systemd.ctl("start", UNIT)
    program.wait_for(READY)
    said = systemd.run("cat", f"/proc/{program.serving_pid}/cmdline").stdout
    assert f"hotswap: {odd} gen 1" in said
