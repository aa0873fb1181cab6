"""Deploys by a moved symlink: `current -> r1` becomes `current -> r2`, each with its own virtual environment."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.harness import PLAIN, ROOT, Program

APP = PLAIN.read_text().replace(
    "if __name__ ==",
    "import sys\n"
    "ROUTES['release'] = lambda environ, rest: iter([f'{sys.prefix} {os.path.realpath(__file__)}'.encode()])\n"
    "if __name__ ==",
)


def release(program: Program) -> list[Path]:
    """The virtual environment and the file that answer."""
    return [Path(word).resolve() for word in program.get("/release").body.decode().split()]


def make_release(folder: Path, version: str) -> None:
    """A release: app.py, an importable package, and a virtual environment with a console script that names it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True, timeout=60)
    site = next((folder / "venv" / "lib").glob("python*/site-packages"))
    (site / "shared.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
    script = folder / "venv" / "bin" / "hotswap"
    script.write_text(f"#!{folder}/venv/bin/python\nimport sys\nfrom hotswap.cli import main\nsys.exit(main())\n")
    script.chmod(0o755)
    (folder / "app.py").write_text(APP.replace('VERSION = "1"', f'VERSION = "{version}"'))
    package = folder / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text((folder / "app.py").read_text())


@pytest.fixture
def releases(program: Program) -> Callable[[str], None]:
    """Makes r1 and r2 beside `current`, which is moved by calling this."""
    for version in ("1", "2"):
        make_release(program.folder / f"r{version}", version)

    def move(target: str) -> None:
        aside = program.folder / "current.new"
        aside.symlink_to(target)
        aside.replace(program.folder / "current")

    move("r1")
    return move


def started(program: Program, way: str) -> None:
    current = program.folder / "current"
    path = f"{current}/venv/bin:{program.environment({})['PATH']}"
    here = {"PYTHONPATH": "", "PATH": path, "PWD": str(program.folder)}
    if way == "python app.py in current":
        program.start(command=["python", "app.py"], folder=current, environ={**here, "PWD": str(current)})
    elif way == "current/venv/bin/python -m":
        in_current = {**here, "PYTHONPATH": str(current)}
        program.start(command=["current/venv/bin/python", "-m", "package"], environ=in_current)
    elif way == "current/venv/bin/hotswap run":
        command = ["current/venv/bin/hotswap", "run", "app:app", "-b", "127.0.0.1:0", "--chdir", "current"]
        program.start(command=command, environ=here)
    else:
        command = ["venv/bin/hotswap", "run", "app:app", "-b", "127.0.0.1:0"]
        program.start(command=command, folder=current, environ={**here, "PWD": str(current)})


WAYS = [
    "python app.py in current",
    "current/venv/bin/python -m",
    "current/venv/bin/hotswap run",
    "venv/bin/hotswap run in current",
]


@pytest.mark.parametrize("way", WAYS)
def test_the_new_release_runs(program: Program, releases: Callable[[str], None], way: str) -> None:
    """Its code and its interpreter, also after the old release is deleted; and back again."""
    started(program, way)
    assert release(program)[0] == program.folder / "r1" / "venv"
    assert program.get("/version").body == b"1"
    releases("r2")
    program.restart()
    program.settle()
    assert program.get("/version").body == b"2"
    environment, file = release(program)
    assert environment == program.folder / "r2" / "venv"
    assert program.folder / "r2" in file.parents
    (program.folder / "r1").rename(program.folder / "gone")
    program.restart()
    assert program.get("/version").body == b"2"
    (program.folder / "gone").rename(program.folder / "r1")
    releases("r1")
    program.restart()
    eventually(lambda: program.get("/version").body == b"1", "the old release is back")


def test_the_log_names_interpreter_and_directory(program: Program, releases: Callable[[str], None]) -> None:
    """At every restart, so that nobody has to guess which release was started."""
    started(program, "current/venv/bin/hotswap run")
    releases("r2")
    program.restart()
    assert f"{program.folder}/current/venv/bin/hotswap in {program.folder}" in program.text()
