"""`flask hotswap` and `manage.py hotswap` serve their application with hotswap's settings, and are restarted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hotswap.management.commands.hotswap import without_settings
from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import ROOT, Program

ENTRY_POINT = r'\[project\.entry-points\."flask\.commands"\]\nhotswap = "(.*)"\n'
FLASK = """
import flask
VERSION = "1"
app = flask.Flask(__name__)

@app.get("/version")
def version():
    return VERSION
"""


@pytest.fixture
def flask(program: Program) -> Sequence[str]:
    """`flask --app app`, which finds the command as pip installs it: hotswap may be installed from an older commit."""
    found = re.search(ENTRY_POINT, (ROOT / "pyproject.toml").read_text())
    assert found is not None
    metadata = program.folder / "commands-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: commands\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[flask.commands]\nhotswap = {found[1]}\n")
    return [program.python, "-m", "flask", "--app", "app", "hotswap", "-b", "127.0.0.1:0"]


def is_restarted(program: Program) -> None:
    """A broken deploy changes nothing, a good one is served; with one start each, and no failed one before it."""
    assert program.get("/version").body == b"1"
    good = re.sub("VERSION = .*", 'VERSION = "2"', program.script.read_text())
    program.write(program.script, good.replace("VERSION =", "raise RuntimeError('broken')\nVERSION ="))
    command = hotswap(program, "restart", str(program.pid))
    assert command.returncode == 1
    assert "RuntimeError: broken" in command.stderr
    program.write(program.script, good)
    command = hotswap(program, "restart", str(program.pid))
    assert command.returncode == 0, command.stderr
    # Both may answer until the old one has left.
    eventually(lambda: program.get("/version").body == b"2", "the new version does not answer")
    assert program.text().count("starting generation 2: ") == 2
    assert program.stop() in (0, None)


@pytest.mark.parametrize("workers", [0, 1])
def test_flask(program: Program, flask: Sequence[str], workers: int) -> None:
    """The application that flask finds, in this process or in a forked one."""
    environ = {"PYTHONPATH": f"{ROOT}:{program.folder}"}
    program.start("-w", str(workers), command=flask, text=FLASK, environ=environ)
    is_restarted(program)


def test_flask_help(program: Program, flask: Sequence[str]) -> None:
    """It does not ask for an application, which flask names."""
    environ = {"PYTHONPATH": f"{ROOT}:{program.folder}"}
    program.start("--help", command=flask, text=FLASK, environ=environ, ready=False)
    assert program.wait_status() == 0
    assert "usage: flask hotswap [OPTIONS]\n" in program.text()


def test_flask_with_a_mistake(program: Program, flask: Sequence[str]) -> None:
    """Settings, and the application: one sentence, and no traceback of ours."""
    environ = {"PYTHONPATH": f"{ROOT}:{program.folder}"}
    program.start("--check", "healthz", command=flask, text=FLASK, environ=environ, ready=False)
    assert program.wait_status() == 1
    program.start(command=flask, text="nothing = 1", environ=environ, ready=False)
    assert program.wait_status() == 1
    first, second = program.text().splitlines()
    assert first.startswith("flask hotswap: check cannot be 'healthz' (command line): ")
    assert second.startswith("flask hotswap: Failed to find Flask application or factory in module 'app'")


@pytest.mark.parametrize(("settings", "workers"), [({}, 0), ({"WSGI_APPLICATION": "app.application"}, 1)])
def test_django(program: Program, settings: dict[str, Any], workers: int) -> None:
    """The project's WSGI_APPLICATION, or what Django has where there is none."""
    command = [program.python, "app.py", "hotswap", "-b", "127.0.0.1:0", "-w", str(workers)]
    program.start(command=command, app="manage", **settings)
    is_restarted(program)


def test_django_shows_the_options(program: Program) -> None:
    """They are those of `hotswap run`."""
    program.start(command=[program.python, "app.py", "hotswap", "--help"], app="manage", ready=False)
    assert program.wait_status() == 0
    assert program.text().startswith("usage: manage.py hotswap [OPTIONS]\n")
    assert "--retire-timeout SECONDS" in program.text()


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (["-b", ":8000"], ["-b", ":8000"]),
        (["--settings", "a.b", "-w", "2"], ["-w", "2"]),
        (["-w", "2", "--settings=a.b"], ["-w", "2"]),
    ],
)
def test_what_django_has_acted_on(given: Sequence[str], left: Sequence[str]) -> None:
    """Its settings module is no option of hotswap's."""
    assert without_settings(given) == left


def test_it_is_looked_for_where_django_looks() -> None:
    """manage.py finds the commands of an application by the names of these files."""
    assert (Path(ROOT) / "hotswap" / "management" / "commands" / "hotswap.py").is_file()
