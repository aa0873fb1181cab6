"""Deploys by a moved symlink: `current -> r1` becomes `current -> r2`, each with its own virtual environment."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.harness import PLAIN, ROOT, Program


def release(program: Program) -> list[Path]:
    """The virtual environment and the file that answer."""
    found = json.loads(program.get("/process").body)
    return [Path(found[name]).resolve() for name in ("prefix", "file")]


def make_release(folder: Path, version: str) -> None:
    """A release: app.py, an importable package, and a virtual environment with a console script that names it."""
    make_environment(folder)
    make_application(folder, version)
    package = folder / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text((folder / "app.py").read_text())


def make_environment(folder: Path) -> None:
    """A virtual environment, with what this one has, and a console script that names its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True, timeout=60)
    site = next((folder / "venv" / "lib").glob("python*/site-packages"))
    (site / "shared.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
    script = folder / "venv" / "bin" / "hotswap"
    script.write_text(f"#!{folder}/venv/bin/python\nimport sys\nfrom hotswap.cli.main import main\nsys.exit(main())\n")
    script.chmod(0o755)


def make_application(folder: Path, version: str) -> None:
    """app.py, and an empty configuration file."""
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(PLAIN.read_text().replace('VERSION = "1"', f'VERSION = "{version}"'))
    (folder / "site.py.conf").write_text("")


def move(program: Program, target: str) -> None:
    """Make `current` lead to that release, in one step."""
    aside = program.folder / "current.new"
    aside.symlink_to(target)
    aside.replace(program.folder / "current")


@pytest.fixture
def releases(program: Program) -> Callable[[str], None]:
    """Makes r1 and r2 beside `current`, which is moved by calling this."""
    for version in ("1", "2"):
        make_release(program.folder / f"r{version}", version)
    move(program, "r1")
    return functools.partial(move, program)


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
    """At every restart, so that an operator need not guess which release was started."""
    started(program, "current/venv/bin/hotswap run")
    releases("r2")
    program.restart()
    assert f"{program.folder}/current/venv/bin/hotswap in {program.folder}" in program.text()


# --- by which path the directory was entered


@pytest.fixture
def applications(program: Program) -> None:
    """r1 and r2 beside `current`, which leads to r1; without virtual environments."""
    for version in ("1", "2"):
        make_application(program.folder / f"r{version}", version)
    move(program, "r1")
    (program.folder / "before").symlink_to("r2")


PWD = {
    "right": "{}/current",
    "missing": "",
    "stale": "{}/before",
    "relative": "current",
    "wrong": "/",
    "shell": "{}/r1",
}
CONF, CHDIR = ("-c", "{}/current/site.py.conf"), ("--chdir", "{}/current")


def run(program: Program, pwd: str, *options: str) -> None:
    """`hotswap run`, in the directory `current`, as the kernel has it."""
    words = [word.format(program.folder) for word in options]
    program.start(
        command=[program.python, "-m", "hotswap", "run", "app:app", "-b", "127.0.0.1:0", *words],
        folder=program.folder / "current",
        environ={"PWD": pwd.format(program.folder)},
    )


def deploy(program: Program, version: str) -> None:
    """A new release, with the one before deleted, and a restart that must find it."""
    before = (program.folder / "current").resolve()
    make_application(program.folder / f"r{version}", version)
    move(program, f"r{version}")
    shutil.rmtree(before)
    program.restart()
    assert program.get("/version").body == version.encode()
    assert json.loads(program.get("/process").body)["directory"] == str(program.folder / f"r{version}")


@pytest.mark.usefixtures("applications")
@pytest.mark.parametrize(("pwd", "option"), [*((pwd, CONF) for pwd in PWD), ("missing", CHDIR), ("stale", CHDIR)])
def test_what_pwd_says(program: Program, pwd: str, option: tuple[str, str]) -> None:
    """systemd, cron, su and subprocess(cwd=...) leave it out or leave it wrong: a path given with an option tells."""
    run(program, PWD[pwd], *option)
    assert "WARNING" not in program.text()
    deploy(program, "2")
    assert f" in {program.folder}/current\n" in program.text()


@pytest.mark.usefixtures("applications")
@pytest.mark.parametrize("options", [(), CONF, CHDIR])
def test_five_deploys_in_a_row(program: Program, options: tuple[str, ...]) -> None:
    """Each with the release before deleted; the last generation starts from where the first one did."""
    run(program, "" if options else "{}/current", *options)
    for version in "23456":
        deploy(program, version)
    assert program.text().count(f" in {program.folder}/current\n") == 5


@pytest.mark.usefixtures("applications")
def test_a_directory_in_the_settings_tells_too(program: Program) -> None:
    """serve(chdir=...): only this call says by which link the program was started."""
    text = PLAIN.read_text().replace(
        "SETTINGS: dict[str, Any] = {}", f"SETTINGS = {{'chdir': '{program.folder}/current'}}"
    )
    for version in ("1", "2"):
        (program.folder / f"r{version}" / "app.py").write_text(text.replace('VERSION = "1"', f'VERSION = "{version}"'))
    program.start(command=[program.python, "app.py"], folder=program.folder / "current", environ={"PWD": ""})
    assert "WARNING" not in program.text()
    move(program, "r2")
    program.restart()
    assert program.get("/version").body == b"2"


@pytest.mark.usefixtures("applications")
def test_a_start_directory_that_is_pruned(program: Program) -> None:
    """With an absolute --chdir elsewhere it is not needed, now or later."""
    start = program.folder / "start"
    start.mkdir()
    command = [program.python, "-m", "hotswap", "run", "app:app", "-b", "127.0.0.1:0"]
    program.start("--chdir", f"{program.folder}/current", command=command, folder=start)
    start.rmdir()
    for version in "23":
        deploy(program, version)
    assert program.text().count(f" in {program.folder}/current\n") == 2


@pytest.mark.usefixtures("applications")
@pytest.mark.parametrize(
    ("pwd", "said"),
    [
        ("", "and nothing tells whether by way of {0}/current ($PWD is not set): "),
        ("/", "and nothing tells whether by way of {0}/current ($PWD is '/'): "),
        ("{}/before", "but $PWD is {0}/before, which leads elsewhere now: "),
    ],
)
def test_nothing_tells(program: Program, pwd: str, said: str) -> None:
    """The first line of the log warns, and says what to set."""
    run(program, pwd)
    first = program.text().splitlines()[0]
    assert "[WARNING]" in first
    assert f"was started in {program.folder}/r1, {said.format(program.folder)}" in first
    move(program, "r2")
    program.restart()
    assert program.get("/version").body == b"1"
    assert program.text().count("[WARNING]") == 1


def test_an_environment_activated_by_its_resolved_path(program: Program) -> None:
    """`. venv/bin/activate` puts the path at which the environment was made into $PATH."""
    make_environment(program.folder / "r1")
    make_application(program.folder / "r1", "1")
    move(program, "r1")
    where = {"PWD": f"{program.folder}/current", "PYTHONPATH": ""}
    path = f"{program.folder}/r1/venv/bin:{program.environment({})['PATH']}"
    command = ["env", "python", "app.py"]
    program.start(command=command, folder=program.folder / "current", environ={**where, "PATH": path})
    first = program.text().splitlines()[0]
    assert f"{program.folder}/r1/venv/bin/python lies in {program.folder}/r1, and the program is started thr" in first
    assert f"start it with {program.folder}/current/venv/bin/python (" in first
