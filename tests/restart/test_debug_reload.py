"""`debug=True` and `reload=True`: a saved file makes a hot restart, a broken one changes nothing until it is mended."""

from __future__ import annotations

import importlib
import os
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hotswap.alarms import choose
from hotswap.errors import SettingError
from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.harness import PLAIN, ROOT, Program
from tests.traffic import Traffic

GOOD = PLAIN.read_text()
IMPORT = "import hotswap\n"
#: hotswap itself is on the programs' sys.path, and whoever runs the tests may be working on it.
WATCH: dict[str, Any] = {"reloader_interval": 0.05, "exclude_patterns": [f"{ROOT}/*"]}
#: Seconds between two looks: what is noticed then was not noticed by looking.
NEVER = 3600.0


def answers(program: Program, version: str) -> None:
    """Waits until the version answers; a connection that is refused meanwhile fails the test."""
    eventually(lambda: program.get("/version").body == version.encode(), f"version {version} does not answer")


def below(lines: str) -> str:
    """The good program with these lines below its `import hotswap`."""
    return GOOD.replace(IMPORT, IMPORT + lines)


def above(lines: str) -> str:
    """The good program with these lines above its `import hotswap`."""
    return GOOD.replace(IMPORT, lines + IMPORT)


# A changed file

@pytest.mark.parametrize("settings", [{"debug": True}, {"reload": True}, {"reload": True, "workers": 2}])
def test_a_saved_file_is_a_hot_restart(program: Program, settings: dict[str, Any]) -> None:
    """The new version answers, and no client of any kind has noticed the change."""
    program.start(**settings, **WATCH)
    with Traffic(program.address, {"keep-alive": 4, "one-shot": 2, "idle": 2}, seconds=30) as traffic:
        for version in ("2", "3"):
            program.deploy(version=version)
            answers(program, version)
            traffic.restarted()
    result = traffic.result()
    assert result.failures == {}, result
    assert result.closed_by_server == 0, result
    assert f"restarting for {program.script}" in program.text()


def test_the_command_line(program: Program) -> None:
    """`hotswap run --reload`, with gunicorn's own options."""
    command = [program.python, "-m", "hotswap", "run", "app:app", "-b", "127.0.0.1:0", "--reload"]
    program.start("--reload-engine", "poll", command=command)
    program.deploy(version="2")
    answers(program, "2")


def test_a_module_that_is_imported(program: Program) -> None:
    """Not only the script, and not only at the first change."""
    module = program.folder / "module.py"
    program.write(module, "VERSION = 'one'\n")
    text = GOOD.replace('VERSION = "1"', "from module import VERSION as VERSION")
    program.start(text=text, debug=True, **WATCH)
    for version in ("two", "three"):
        program.write(module, f"VERSION = '{version}'\n")
        answers(program, version)


def test_a_file_that_gets_older(program: Program) -> None:
    """A copy of last year that is moved over the script is a change as well."""
    program.start(reload=True, **WATCH)
    old = program.folder / "old"
    old.write_text(program.script.read_text().replace("VERSION = '1'", "VERSION = 'old'"))
    os.utime(old, (1, 1))
    old.replace(program.script)
    answers(program, "old")


def test_many_saves_are_few_restarts(program: Program) -> None:
    """Twenty saves in a row are one restart, or one more for those that came while it booted; the last one serves."""
    program.start(debug=True, **WATCH)
    for number in range(2, 22):
        program.deploy(version=str(number))
    answers(program, "21")
    assert program.serving_generation <= 3


WAITS = below(
    "import sys\nif hotswap.generation == 2:\n    print('booting', flush=True)\n"
    "    while not os.path.exists('go'):\n        select.select([], [], [], 0.01)\n"
)


@pytest.mark.parametrize("interval", [WATCH["reloader_interval"], NEVER])
def test_a_save_while_the_successor_boots(program: Program, interval: float) -> None:
    """What it has read already is old by the time it serves: that save makes one more restart.

    With an interval that never ends it is the predecessor's last look that finds it.
    """
    settings = {**WATCH, "reloader_interval": interval, "reload_engine": "poll"}
    program.start(text=WAITS, reload=True, **settings)
    program.wait_for("watching files")
    program.hup()
    program.wait_for("booting")
    program.deploy(text=GOOD, version="2")
    (program.folder / "go").touch()
    answers(program, "2")


def test_nothing_is_watched_without_being_asked(program: Program) -> None:
    """Production: a deploy is served when its SIGHUP comes, and not before."""
    program.start()
    program.deploy(version="2")
    with pytest.raises(AssertionError, match="watching"):
        program.wait_for("watching|restarting", deadline=0.5)
    assert program.get("/version").body == b"1"


# Which files

@pytest.mark.parametrize("setting", ["extra_files", "reload_extra_files"])
def test_extra_files(program: Program, setting: str) -> None:
    """A template, by name; and for gunicorn's setting one that a pattern finds."""
    page = program.folder / "page.html"
    page.write_text("1")
    entry = f"{program.folder}/*.html" if setting == "reload_extra_files" else str(page)
    settings: dict[str, Any] = {**WATCH, setting: [entry]}
    program.start(reload=True, **settings)
    program.wait_for("watching files")
    program.write(page, "2")
    program.wait_for(f"restarting for {page}")
    program.wait_generation(2)


def test_the_env_file_is_watched(program: Program) -> None:
    """What it says now reaches the next generation."""
    variables = program.folder / "variables"
    program.write(variables, "COLOUR=red\n")
    program.start(reload=True, env_file=str(variables), **WATCH)
    program.wait_for("watching files")
    program.write(variables, "COLOUR=blue\n")
    eventually(lambda: b'"COLOUR": "blue"' in program.get("/env").body, "the new variable is there")


def test_excluded_files(program: Program) -> None:
    """What matches a pattern may change as it likes; the next change of another file is noticed."""
    module = program.folder / "generated.py"
    program.write(module, "VALUE = 1\n")
    settings = {**WATCH, "exclude_patterns": [f"{ROOT}/*", "*/generated.py"]}
    program.start(text=below("import generated\n"), reload=True, **settings)
    program.wait_for("watching files")
    program.write(module, "VALUE = 2\n")
    program.deploy(version="2")
    answers(program, "2")
    assert "restarting for" in program.text()
    assert str(module) not in program.text()


@pytest.mark.parametrize("package", ["watchdog", "inotify"])
def test_the_kernels_word(program: Program, package: str) -> None:
    """With one of these packages a change is noticed at once, however long the interval."""
    pytest.importorskip(package)
    where = Path(str(importlib.import_module(package).__file__)).parent.parent
    how = "reloader_type" if package == "watchdog" else "reload_engine"
    settings: dict[str, Any] = {**WATCH, "reloader_interval": NEVER, how: package}
    program.start(reload=True, environ={"PYTHONPATH": f"{ROOT}:{where}"}, **settings)
    program.wait_for(rf"watching files \({package}\)")
    program.deploy(version="2")
    answers(program, "2")


def test_a_package_that_does_not_work(program: Program) -> None:
    """The kernel has no inotify left, or the package is for another Python: the watch looks every interval."""
    (program.folder / "watchdog").mkdir()
    (program.folder / "watchdog" / "__init__.py").write_text("")
    program.start(reload=True, reloader_type="watchdog", **WATCH)
    program.wait_for("watchdog does not work here .*No module named 'watchdog.events'")
    program.deploy(version="2")
    answers(program, "2")


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for by name it is an error; left to itself the watch looks every interval."""
    monkeypatch.setitem(sys.modules, "watchdog", None)
    monkeypatch.setitem(sys.modules, "inotify", None)
    assert choose("auto", None) == choose("auto", "auto") == choose("auto", "stat") == "poll"
    for arguments in (("inotify", None), ("poll", "watchdog")):
        with pytest.raises(SettingError, match="pip install"):
            choose(*arguments)


# Broken code

def broken(program: Program, text: str, says: str) -> None:
    """Deploys a text that cannot work, and waits until that is known."""
    mark = program.mark()
    program.deploy(text=text, version="2")
    program.wait_for("restart failed, generation 1 serves on", since=mark)
    program.wait_for(re.escape(says), since=mark)
    assert program.get("/version").body == b"1"


def test_the_old_version_answers_while_the_new_one_is_broken(program: Program) -> None:
    """The traceback is printed, a second broken save too, and the mended file is served at once."""
    program.start(debug=True, **WATCH)
    broken(program, "def broken(:\n", "SyntaxError")
    broken(program, above("import not_there\n"), "No module named 'not_there'")
    broken(program, below("raise RuntimeError('broken')\n"), "RuntimeError: broken")
    program.deploy(text=GOOD, version="4")
    answers(program, "4")
    assert program.serving_generation == 2


MENDS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "a syntax error in a module that was never imported": (
        "def broken(:\n",
        "SyntaxError",
        lambda path: path.write_text("VALUE = 1\n"),
    ),
    "a mistake in a module that no traceback names": (
        "VALUE = 0\n",
        "ZeroDivisionError",
        lambda path: path.write_text("VALUE = 1  # mended\n"),
    ),
    "a module that should not be there": ("raise OSError('in the way')\n", "in the way", Path.unlink),
}


@pytest.mark.parametrize("name", MENDS)
def test_what_was_mended_may_be_another_file(program: Program, name: str) -> None:
    """The new code's modules are watched although this process has none of them, and looks elsewhere for modules."""
    text, says, mend = MENDS[name]
    # Out of sight for the running version: werkzeug leaves out what lies below folders without a Python file.
    late = program.folder / "data" / "deep" / "late" / "colorsys.py"
    late.parent.mkdir(parents=True)
    program.start(reload=True, **WATCH)
    program.wait_for("watching files")
    late.write_text(text)
    finds = f"import sys\nsys.path.insert(0, {str(late.parent)!r})\n"
    broken(program, below(f"{finds}import colorsys\n1 / vars(colorsys).get('VALUE', 1)\n"), says)
    mend(late)
    answers(program, "2")


def test_a_missing_module_is_made(program: Program) -> None:
    """To save the file that uses it first, and then the one that is used, is what editors do as well."""
    program.start(reload=True, **WATCH)
    broken(program, above("import made_later\n"), "No module named 'made_later'")
    (program.folder / "made_later.py").write_text("")
    answers(program, "2")


# The debugger

RAISES = textwrap.dedent(
    """
    import hotswap, flask
    app = flask.Flask(__name__)
    SETTINGS = {}

    @app.get("/")
    def home():
        raise RuntimeError("shown in the browser")

    if __name__ == "__main__":
        hotswap.serve(app, "127.0.0.1:0", **SETTINGS)
    """
)


def test_the_debugger(program: Program) -> None:
    """A Flask application's exception reaches it, its PIN is in the log, and its console is there.

    After a restart the PIN is the same: the browser is still trusted.
    """
    program.start(text=RAISES, debug=True, **WATCH)
    for _ in range(2):
        page = program.get("/")
        assert page.status == 500
        assert b"shown in the browser" in page.body
        assert b"EVALEX = true" in page.body
        assert b"Interactive Console" in program.get("/console").body
        program.restart()
    assert len(set(re.findall(r"the debugger is on, its PIN is ([\d-]+)", program.text()))) == 1


def ask_as(program: Program, name: str) -> bytes:
    """The first page, asked for under this host name."""
    with connect(program.address) as client:
        client.sendall(request("/", "Connection: close", host=f"{name}:{program.port}"))
        return read_answer(client).body


def test_the_debugger_trusts_only_the_servers_names(program: Program) -> None:
    """A page from elsewhere that reaches us under another name (DNS rebinding) gets a traceback and no console."""
    program.start(text=RAISES, debug=True, **WATCH)
    assert b"EVALEX = true" in ask_as(program, "localhost")
    assert b"EVALEX = true" in ask_as(program, "127.0.0.1")
    assert b"EVALEX = false" in ask_as(program, "evil.example")


@pytest.mark.parametrize("settings", [{"use_evalex": False}, {"workers": 2}])
def test_a_debugger_that_runs_no_code(program: Program, settings: dict[str, Any]) -> None:
    """Tracebacks only: where it was told so, and among workers, where the next request is another process's."""
    program.start(text=RAISES, debug=True, **settings, **WATCH)
    assert b"EVALEX = false" in program.get("/").body
    assert program.get("/console").status == 404
    assert "PIN" not in program.text()


@pytest.mark.parametrize("settings", [{"reload": True, **WATCH}, {}])
def test_no_debugger_without_debug(program: Program, settings: dict[str, Any]) -> None:
    """Watching files alone shows no traceback to clients, and opens no console."""
    program.start(text=RAISES, **settings)
    assert b"shown in the browser" not in program.get("/").body
    assert program.get("/console").status == 404
    assert "PIN" not in program.text()
