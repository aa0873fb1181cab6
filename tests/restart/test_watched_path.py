"""`watch=PATH`: a moved link, or files that are written into a directory, restart the server; each state once."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import PLAIN, Program
from tests.restart.gates import wait_at
from tests.traffic import Traffic

MODES = pytest.mark.parametrize("mode", [[], ["-w", "1", "--stable-pid", "on"]])


def release(program: Program, version: str, *, broken: bool = False) -> None:
    """A release beside `current`, which leads to it from now on."""
    folder = program.folder / f"r{version}"
    folder.mkdir()
    text = PLAIN.read_text().replace('VERSION = "1"', f'VERSION = "{version}"')
    (folder / "app.py").write_text("raise RuntimeError('broken')" if broken else text)
    aside = program.folder / "aside"
    aside.symlink_to(folder.name)
    aside.replace(program.folder / "current")


def start(program: Program, path: Path, *arguments: str) -> None:
    """`hotswap run` in that directory, which is watched, named as seen from there."""
    command = [program.python, "-m", "hotswap", "run", "app:app", "-b", "127.0.0.1:0", "--watch", "."]
    program.start(*arguments, command=command, folder=path)


def answers(program: Program, version: str) -> None:
    """Waits until the version answers."""
    eventually(lambda: program.get("/version").body == version.encode(), f"version {version} does not answer")


def starts(program: Program) -> Sequence[str]:
    """The generations that were started after the first, in order."""
    return re.findall(r"starting generation (\d+): ", program.text())


@MODES
def test_a_moved_link(program: Program, mode: list[str]) -> None:
    """A deploy is served, one that fails is tried once, and the one after it is served; no client notices."""
    release(program, "1")
    start(program, program.folder / "current", *mode)
    with Traffic(program.address, {"keep-alive": 2, "one-shot": 1}, seconds=60) as traffic:
        release(program, "2")
        answers(program, "2")
        release(program, "3", broken=True)
        program.wait_for("restart failed, generation 2 serves on")
        mark = program.mark()
        release(program, "4")
        program.wait_for(f"has changed .it leads to {program.folder}/r4.: restarting when it is quiet", since=mark)
        answers(program, "4")
        traffic.restarted()
    result = traffic.result()
    assert result.failures == {}, result
    assert result.closed_by_server == 0, result
    assert list(starts(program)) == ["2", "3", "3"]


def test_files_written_into_a_directory(program: Program) -> None:
    """As rsync does, one after the other: one restart, when it has been quiet."""
    folder = program.folder / "shop"
    folder.mkdir()
    (folder / "app.py").write_text(PLAIN.read_text())
    start(program, folder)
    (folder / "a.html").write_text("a")
    program.wait_for(r"shop has changed \(a\.html\): restarting when it is quiet")
    (folder / ".app.py.Xa31").write_text(PLAIN.read_text().replace('VERSION = "1"', 'VERSION = "2"'))
    # Python tells by second and size that what it has compiled is old.
    os.utime(folder / ".app.py.Xa31", (1, 1))
    (folder / ".app.py.Xa31").replace(folder / "app.py")
    answers(program, "2")
    (folder / "b.html").write_text("b")
    program.wait_generation(3)
    assert list(starts(program)) == ["2", "3"]


def test_a_restart_by_hand_right_after_the_deploy(program: Program) -> None:
    """It is the deploy's restart: none follows for the same change."""
    release(program, "1")
    start(program, program.folder / "current")
    release(program, "2")
    program.restart()
    answers(program, "2")
    release(program, "3")
    answers(program, "3")
    assert list(starts(program)) == ["2", "3"]


def test_a_deploy_while_the_successor_boots(program: Program) -> None:
    """It is not lost: the successor was told with which state it was started."""
    release(program, "1")
    start(program, program.folder / "current")
    release(program, "2")
    slow = (program.folder / "r2" / "app.py").read_text()
    gate = "from tests.apps.gates import gate\ngate('boots')\n"
    (program.folder / "r2" / "app.py").write_text(slow.replace("import hotswap\n", f"import hotswap\n{gate}", 1))
    wait_at(program, "boots")
    release(program, "3")
    (program.folder / "r2" / "boots").touch()  # it opens the gate
    answers(program, "3")
    assert list(starts(program)) == ["2", "3"]


def test_what_was_taken_back_is_not_started_again(program: Program) -> None:
    """Until the path changes."""
    release(program, "1")
    start(program, program.folder / "current", "--probation", "600")
    with Traffic(program.address, {"keep-alive": 2}, seconds=60) as traffic:
        release(program, "2")
        program.wait_for("serves, on probation for 600 s: parked")
        command = hotswap(program, "rollback")
        assert command.returncode == 0, command.stderr
        # Longer than a change has to be left alone.
        traffic.wait(2.5)
        assert list(starts(program)) == ["2"]
        release(program, "3")
        answers(program, "3")
    assert traffic.result().failures == {}
    assert list(starts(program)) == ["2", "3"]
