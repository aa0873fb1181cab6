"""A generation whose release was followed by another reads the files of its own, though the link has moved."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.harness import APPS, ROOT, Program


def make_release(folder: Path) -> None:
    """A release whose files are read late, and a virtual environment with a package that is imported late."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True, timeout=60)
    site = next((folder / "venv" / "lib").glob("python*/site-packages"))
    (site / "shared.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
    said = f"RELEASE = {folder.name!r}\n"
    (site / "late_package").mkdir()
    (site / "late_package" / "__init__.py").write_text("")
    (site / "late_package" / "late.py").write_text(said)
    (folder / "app.py").write_text((APPS / "late_files.py").read_text())
    (folder / "late_module.py").write_text(said)
    (folder / "beside.txt").write_text(folder.name)
    (folder / "templates").mkdir()
    (folder / "templates" / "page.html").write_text(f"{folder.name}\n")


def move(program: Program, target: str) -> None:
    """Make `current` lead to that release, in one step."""
    aside = program.folder / "current.new"
    aside.symlink_to(target)
    aside.replace(program.folder / "current")


def ask(program: Program, path: str) -> dict[str, Any]:
    """What the application says of the files that it has read."""
    answer = program.get(path, timeout=30)
    assert answer.status == 200, answer.body
    return dict(json.loads(answer.body))


RUN = ["-m", "hotswap", "run", "app:app", "-b", "127.0.0.1:0"]
WAYS: dict[str, tuple[list[str], str, str]] = {
    # arguments of the interpreter, the directory of the start, the application's directory
    "hotswap run --chdir": ([*RUN, "--chdir", "{}/current"], ".", "{}"),
    "hotswap run in current": (RUN, "current", "{}"),
    "hotswap run with workers that load it": (
        [*RUN, "-w1", "--no-preload", "--pythonpath", "{}/current"],
        ".",
        "program",
    ),
    "python current/app.py": (["{}/current/app.py"], ".", "program"),
    "python -m app": (["-m", "app"], "current", "{}"),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_files_of_its_own_release(program: Program, way: str) -> None:
    """A template, a module, a dependency and a file beside the code: all read after the deploy, by the old generation,
    whose request takes longer than the restart."""
    for name in ("r1", "r2"):
        make_release(program.folder / name)
    move(program, "r1")
    arguments, folder, directory = WAYS[way]
    program.start(
        command=[f"{program.folder}/current/venv/bin/python", *(word.format(program.folder) for word in arguments)],
        folder=program.folder / folder,
        environ={"PYTHONPATH": ""},
    )
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ask, program, "/release/deployed")
        program.wait_for("at gate deployed")
        move(program, "r2")
        program.restart()
        new = ask(program, "/release")
        (program.folder / (directory.format("r1") if directory == "{}" else ".") / "deployed").touch()
        old = slow.result()
    for generation, found in enumerate((old, new), start=1):
        name = f"r{generation}"
        assert found == {
            "generation": generation,
            "directory": directory.format(name),
            "template": name,
            "module": name,
            "dependency": name,
            "beside": name,
            "interpreter": f"{program.folder}/{name}/venv/bin/python",
        }
    # It is by the link that the program is started again.
    assert f"{program.folder}/current/venv/bin/python in {program.folder / folder}\n" in program.text()
