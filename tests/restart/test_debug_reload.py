"""`debug=True` and `reload=True`: a saved file makes a hot restart, a broken one changes nothing until it is mended."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hotswap.dev.file_events import choose
from hotswap.errors import SettingError
from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.harness import ROOT, Program
from tests.traffic import Traffic

#: hotswap itself is on the programs' sys.path, and the developer may be working on it while the tests run.
WATCH: dict[str, Any] = {"reloader_interval": 0.05, "exclude_patterns": [f"{ROOT}/*"]}
#: Seconds between two looks: what is noticed then was not noticed by looking.
NEVER = 3600.0


def answers(program: Program, version: str) -> None:
    """Waits until the version answers; a connection that is refused meanwhile fails the test."""
    eventually(lambda: program.get("/version").body == version.encode(), f"version {version} does not answer")


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


@pytest.mark.parametrize("settings", [{"debug": True, **WATCH}, {"reload": True, **WATCH}, {}])
def test_guards_against_a_second_start(program: Program, settings: dict[str, Any]) -> None:
    """`if is_running_from_reloader():` around what is to be started once: every generation serves."""
    program.start(**settings)
    for _ in range(2):
        assert ("WERKZEUG_RUN_MAIN" in json.loads(program.get("/env").body)) == bool(settings)
        program.restart()
    assert program.text().count("its PIN is") == (3 if "debug" in settings else 0)


FAILS = """
import hotswap
from fastapi import FastAPI

app = FastAPI()


@app.get("/fails")
async def fails() -> None:
    raise LookupError("of the handler")


hotswap.serve(app, "127.0.0.1:0"{settings})
"""


@pytest.mark.parametrize("shown", [True, False])
def test_fastapi_shows_the_traceback(program: Program, shown: bool) -> None:
    """To who debugs, and to nobody else."""
    program.start(text=FAILS.format(settings=", debug=True" if shown else ""))
    answer = program.get("/fails")
    assert answer.status == 500
    assert (b"of the handler" in answer.body) == shown
    program.wait_for("LookupError: of the handler")


def test_a_module_that_is_imported(program: Program) -> None:
    """Not only the script, and not only at the first change."""
    module = program.folder / "module.py"
    program.write(module, "VERSION = 'one'\n")
    program.start(below="reloading.has_version_of_module", debug=True, **WATCH)
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


@pytest.mark.parametrize("interval", [WATCH["reloader_interval"], NEVER])
def test_a_save_while_the_successor_boots(program: Program, interval: float) -> None:
    """What it has read already is old by the time it serves: that save makes one more restart.

    With an interval that never ends it is the predecessor's last look that finds it.
    """
    settings = {**WATCH, "reloader_interval": interval, "reload_engine": "poll"}
    program.start(below=("gates.until_go", 2), reload=True, **settings)
    program.wait_for("watching files")
    program.hup()
    program.wait_for("hanging")
    program.deploy(below=[], version="2")
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
    program.start(below=("boots.imports", "generated"), reload=True, **settings)
    program.wait_for("watching files")
    program.write(module, "VALUE = 2\n")
    program.deploy(version="2")
    answers(program, "2")
    assert "restarting for" in program.text()
    assert str(module) not in program.text()


@pytest.mark.parametrize("asked", [{}, {"reloader_type": "watchdog"}, {"reload_engine": "inotify"}])
def test_the_kernels_word(program: Program, asked: dict[str, str]) -> None:
    """With watchfiles a change is noticed at once, however long the interval; in each generation."""
    program.start(reload=True, **{**WATCH, "reloader_interval": NEVER, **asked})
    for version in ("2", "3"):
        program.wait_for(rf"gen={int(version) - 1} .*watching files \(watchfiles\)")
        program.deploy(version=version)
        answers(program, version)


def test_the_kernels_word_of_another_folder(program: Program) -> None:
    """The modules of a folder that was not watched from the beginning."""
    folder = program.folder / "late"
    folder.mkdir()
    (folder / "colorsys.py").write_text("VALUE = 0\n")
    program.start(reload=True, **{**WATCH, "reloader_interval": NEVER})
    program.wait_for("watching files")
    program.deploy(below=[("paths.first", str(folder)), "reloading.divides_by_value"])
    program.wait_for("restart failed, generation 1 serves on: (.*\n)*?.*ZeroDivisionError")
    # It is watched from the next look on, which another change causes.
    mark = program.mark()
    program.deploy(version="2")
    program.wait_for("restart failed, generation 1 serves on", since=mark)
    program.write(folder / "colorsys.py", "VALUE = 1\n")
    answers(program, "2")


def test_a_package_that_does_not_work(program: Program) -> None:
    """The kernel has no inotify left, or the package is for another Python: the watch looks every interval."""
    (program.folder / "watchfiles").mkdir()
    (program.folder / "watchfiles" / "__init__.py").write_text("")
    program.start(reload=True, **WATCH)
    program.wait_for("watchfiles does not work here .*module 'watchfiles' has no attribute 'watch'")
    program.deploy(version="2")
    answers(program, "2")


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for by name it is an error; left to itself the watch looks every interval."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert choose("auto", None) == choose("auto", "auto") == choose("auto", "stat") == "poll"
    for arguments in (("inotify", None), ("poll", "watchdog")):
        with pytest.raises(SettingError, match=r"pip install hotswap\[dev\]"):
            choose(*arguments)


# Broken code


def broken(program: Program, says: str, **deploy: Any) -> None:
    """Deploys what cannot work, and waits until that is known."""
    mark = program.mark()
    program.deploy(**deploy, version="2")
    program.wait_for("restart failed, generation 1 serves on", since=mark)
    program.wait_for(re.escape(says), since=mark)
    assert program.get("/version").body == b"1"


def test_the_old_version_answers_while_the_new_one_is_broken(program: Program) -> None:
    """The traceback is printed, a second broken save too, and the mended file is served at once."""
    program.start(debug=True, **WATCH)
    broken(program, "SyntaxError", text="def broken(:\n")
    broken(program, "No module named 'not_there'", app="plain", above=("boots.imports", "not_there"))
    broken(program, "ZeroDivisionError", above=[], below="boots.divides")
    program.deploy(below=[], version="4")
    answers(program, "4")
    program.wait_generation(2)


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
    broken(program, says, below=[("paths.first", str(late.parent)), "reloading.divides_by_value"])
    mend(late)
    answers(program, "2")


def test_a_missing_module_is_made(program: Program) -> None:
    """To save the file that uses it first, and then the one that is used, is what editors do as well."""
    program.start(reload=True, **WATCH)
    broken(program, "No module named 'made_later'", above=("boots.imports", "made_later"))
    (program.folder / "made_later.py").write_text("")
    answers(program, "2")


# The debugger


def test_the_debugger(program: Program) -> None:
    """A Flask application's exception reaches it, its PIN is in the log, and its console is there.

    After a restart the PIN is the same: the browser is still trusted.
    """
    program.start(app="raising", debug=True, **WATCH)
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
    program.start(app="raising", debug=True, **WATCH)
    assert b"EVALEX = true" in ask_as(program, "localhost")
    assert b"EVALEX = true" in ask_as(program, "127.0.0.1")
    assert b"EVALEX = false" in ask_as(program, "evil.example")


@pytest.mark.parametrize("settings", [{"use_evalex": False}, {"workers": 2}])
def test_a_debugger_that_runs_no_code(program: Program, settings: dict[str, Any]) -> None:
    """Tracebacks only: where it was told so, and among workers, where the next request is another process's."""
    program.start(app="raising", debug=True, **settings, **WATCH)
    assert b"EVALEX = false" in program.get("/").body
    assert program.get("/console").status == 404
    assert "PIN" not in program.text()


@pytest.mark.parametrize("settings", [{"reload": True, **WATCH}, {}])
def test_no_debugger_without_debug(program: Program, settings: dict[str, Any]) -> None:
    """Watching files alone shows no traceback to clients, and opens no console."""
    program.start(app="raising", **settings)
    assert b"shown in the browser" not in program.get("/").body
    assert program.get("/console").status == 404
    assert "PIN" not in program.text()
