"""What a successor starts with: the environment, directory, arguments and descriptors of generation 1, no more."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commanding import hotswap
from tests.harness import Program
from tests.processes import descriptors


def ask(program: Program, path: str) -> Any:
    """What the program answers in JSON."""
    answer = program.get(path)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def environment(program: Program) -> dict[str, str]:
    """The environment of the application."""
    return dict(ask(program, "/env"))


def values(program: Program, names: str) -> list[str | None]:
    """Some variables of it; None for one that is not there."""
    found = environment(program)
    return [found.get(name) for name in names]


# --- the environment of generation 1


def test_what_the_application_changed_is_not_passed_on(program: Program) -> None:
    """The successor gets what the operator gave, to the letter: changed, added and deleted variables as they were."""
    given = {"A": "with = and\nlines", "B": "deleted", "D": "\udcff\u20ac"}
    program.start(environ=given, below="environment.changes")
    first = environment(program)
    assert values(program, "ABC") == ["changed", None, "added"]
    for _ in range(2):
        program.restart()
        assert environment(program) == {**{name: value for name, value in first.items() if name != "C"}, **given}


def test_a_dotenv_file_is_read_anew_by_each_generation(program: Program) -> None:
    """load_dotenv() sets only what is not there: so what it set must not be there in the successor."""
    (program.folder / ".env").write_text("A=1\nB=1\n")
    program.start(below="environment.loads_dotenv", environ={"B": "the operator's"})
    assert values(program, "AB") == ["1", "the operator's"]
    (program.folder / ".env").write_text("A=2\nB=2\n")
    program.restart()
    assert values(program, "AB") == ["2", "the operator's"]


@pytest.mark.parametrize("place", ["above", "below"])
def test_a_title_does_not_destroy_the_environment(program: Program, place: str) -> None:
    """setproctitle writes over /proc/self/environ, also where the program calls it before it imports hotswap."""
    steps: dict[str, Any] = {place: "early.sets_title"}
    program.start(environ={"A": "1"}, **steps)
    first = environment(program)
    assert b"A=1" not in Path(f"/proc/{program.pid}/environ").read_bytes()
    for _ in range(2):
        program.restart()
        assert environment(program) == first


# --- env_file, envdir, raw_env


def test_files_are_read_again_at_each_restart(program: Program) -> None:
    """Changed, added and removed variables arrive; a removed one gets its first value back or is gone, and stays so."""
    file, folder = program.folder / "app.env", program.folder / "env"
    folder.mkdir()
    file.write_text("A=file\nB=file\nC=file\n")
    (folder / "D").write_text("directory\n")
    (folder / "E").write_text("directory\n")
    program.start(environ={"A": "first", "D": "first", "G": "g"}, env_file=str(file), envdir=str(folder))
    assert values(program, "ABCDEF") == ["file", "file", "file", "directory", "directory", None]
    file.write_text("A=changed\nC=file\nF=added\n")
    (folder / "E").unlink()
    program.restart()
    assert values(program, "ABCDEF") == ["changed", None, "file", "directory", None, "added"]
    file.write_text("F=added\nG=${G}more\n")
    (folder / "D").unlink()
    for _ in range(2):
        program.restart()
        # What is added to a variable is not added once more.
        assert values(program, "ABCDEFG") == ["first", None, None, "first", None, "added", "gmore"]
    file.write_text("B=back\n")
    program.restart()
    assert values(program, "ABCDEF") == ["first", "back", None, "first", None, None]


def test_the_files_are_there_from_the_first_line_of_the_successor(program: Program) -> None:
    """Its modules read the environment when they are imported."""
    (program.folder / "app.env").write_text("A=1\n")
    program.start(env_file="app.env", above="early.notes_how_it_was_started")
    (program.folder / "app.env").write_text("A=2\n")
    program.restart()
    assert ask(program, "/started")["variables"]["A"] == "2"


def test_a_relative_env_file_after_the_application_has_changed_the_directory(program: Program) -> None:
    """A path is meant from where the server was started, at every restart."""
    (program.folder / "app.env").write_text("A=1\n")
    program.start(below="environment.leaves_its_directory", env_file="app.env")
    for value in ("2", "3"):
        program.write(program.folder / "app.env", f"A={value}\n")
        program.restart()
        assert values(program, "A") == [value]


def test_a_file_that_is_gone(program: Program) -> None:
    """The restart is refused with a sentence, and works when the file is back."""
    file = program.folder / "app.env"
    file.write_text("A=1\n")
    program.start(env_file=str(file))
    file.rename(program.folder / "gone")
    command = hotswap(program, "restart", str(program.pid))
    assert command.returncode == 1
    assert f"cannot read env_file {file} (No such file or directory)" in command.stderr
    assert program.get("/").headers["x-generation"] == "1"
    (program.folder / "gone").rename(file)
    program.restart()
    assert values(program, "A") == ["1"]


def test_raw_env_is_that_of_the_running_version(program: Program) -> None:
    """What a version sets for itself is not inherited by the next, and a file does not overrule it."""
    (program.folder / "app.env").write_text("A=file\nB=file\n")
    program.start(env_file="app.env", raw_env=["A=1", "C=1"])
    assert values(program, "ABC") == ["1", "file", "1"]
    program.deploy(raw_env=["A=2"])
    for _ in range(2):
        program.restart()
        assert values(program, "ABC") == ["2", "file", None]


def test_chdir_and_pythonpath(program: Program) -> None:
    """The directory is changed once in each generation, and not again from where the one before was."""
    site, library = program.folder / "site", program.folder / "site" / "library"
    library.mkdir(parents=True)
    (library / "addition.py").write_text("VALUE = 'found'\n")
    program.start(command=[program.python, "app.py"], chdir="site", pythonpath="library")
    for generation in (1, 2, 3):
        assert ask(program, "/process")["directory"] == str(site)
        assert ask(program, "/module/addition")["VALUE"] == "found"
        if generation < 3:
            program.restart()


# --- the handoff and --graceful, by hand

NOT_OURS = '"generation": 2, "predecessor": 1'
HANDOFFS = {
    "no JSON": "garbage",
    "empty": "",
    "a list": "[]",
    "a number": "7",
    "no fields": "{}",
    "wrong types": '{"generation": "2", "predecessor": 1}',
    "wrong type of a descriptor": f'{{{NOT_OURS}, "stderr": "x"}}',
    "wrong type of the listeners": f'{{{NOT_OURS}, "listeners": 7}}',
    "a descriptor that is not open": f'{{{NOT_OURS}, "listeners": [{{"key": "127.0.0.1:0", "fd": 77}}]}}',
    "a scoreboard that is not open": f'{{{NOT_OURS}, "scoreboard": 77}}',
}


@pytest.mark.parametrize("name", HANDOFFS)
def test_a_handoff_that_is_none(program: Program, name: str) -> None:
    """Left over in a user's environment: one error says which variable it is and what to do."""
    program.start(environ={"HOTSWAP_HANDOFF": HANDOFFS[name] or " "}, ready=False)
    assert program.wait_status() == 1
    assert program.text().count("Traceback") == 1
    last = program.text().splitlines()[-1]
    assert last.startswith("hotswap.errors.BootError: cannot read the handoff in HOTSWAP_HANDOFF (")
    assert last.endswith("): unset it to start without a predecessor")


def test_a_handoff_that_is_none_with_hotswap_run(program: Program) -> None:
    """The command prints that sentence, and no traceback."""
    command = [program.python, "-m", "hotswap", "run", "app:app", "-b", "127.0.0.1:0"]
    program.start(command=command, environ={"HOTSWAP_HANDOFF": "garbage"}, ready=False)
    assert program.wait_status() == 1
    (line,) = program.text().splitlines()
    assert line.startswith("hotswap run: cannot read the handoff in HOTSWAP_HANDOFF (")


def test_graceful_by_hand(program: Program) -> None:
    """Without a handoff it means nothing: generation 1, and the program does not see it."""
    program.start("--mine", "--graceful", above="early.notes_how_it_was_started")
    assert program.get("/").headers["x-generation"] == "1"
    for _ in range(2):
        started = [program.python, str(program.script), "--mine", "--graceful"]
        assert ask(program, "/started")["orig_argv"] == started
        assert ask(program, "/process")["arguments"] == ["--mine"]
        program.restart()


# --- descriptors


def test_nothing_leaks_into_subprocesses(program: Program) -> None:
    """Whatever a program starts, while it boots or later, has standard input, output and error, and no more.

    While a successor boots, its standard error is a pipe to its predecessor.
    """
    program.start(below="environment.spawns")
    for generation in (1, 2, 3):
        booting, later = (listing.split() for listing in ask(program, "/spawned"))
        for links in (booting, later):
            assert links[0] == "/dev/null"
            assert links[1].startswith("pipe:")
            assert len(links) == 3
        assert later[2] == str(program.log)
        assert booting[2].startswith("pipe:") if generation > 1 else booting[2] == str(program.log)
        program.restart()


def test_standard_streams_are_kept(program: Program) -> None:
    """Those of generation 1, in every generation; standard error too, which is a pipe until hotswap is imported."""
    program.start()
    for _ in range(2):
        program.restart()
        found = descriptors(program.serving_pid)
        assert [found[fd] for fd in range(3)] == ["/dev/null", str(program.log), str(program.log)]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-"])
def test_without_standard_streams(program: Program, closed: str) -> None:
    """A program that was started without them can be restarted like any other."""
    program.start(command=["sh", "-c", f'exec "$0" "$@" {closed}', program.python, str(program.script)])
    for generation in (2, 3):
        program.restart()
        assert program.get("/").headers["x-generation"] == str(generation)
    program.settle()
    assert program.stop() == 0


def test_a_forked_child_of_the_booting_successor(program: Program) -> None:
    """It holds copies of every descriptor, and keeps neither the restarts nor the end of a generation up."""
    program.start(below="forks.until_go")
    for generation in (2, 3):
        program.restart()
        assert program.get("/").headers["x-generation"] == str(generation)
    (program.folder / "go").touch()
    program.settle()
    assert program.stop() == 0


# --- directory, interpreter, script


def test_the_directory_was_deleted_and_made_again(program: Program) -> None:
    """A deploy that replaces the whole directory: the new one's program runs, though the old one's is gone."""
    site = program.folder / "site"
    site.mkdir()
    (site / "app.py").symlink_to(program.script)
    program.start(command=[program.python, "app.py"], folder=site, environ={"PWD": str(site)})
    for version in ("2", "3"):
        shutil.rmtree(site)
        command = hotswap(program, "restart", str(program.serving_pid))
        assert command.returncode == 1
        assert f"cannot start a successor (No such file or directory: {site}): put it back" in command.stderr
        site.mkdir()
        program.deploy(version=version)
        (site / "app.py").symlink_to(program.script)
        program.restart()
        assert program.get("/version").body == version.encode()


@pytest.mark.parametrize("pwd", ["", "{}/current"])
@pytest.mark.parametrize("script", ["app.py", "./site/../app.py", "../r1/app.py"])
def test_a_program_that_changes_the_directory_before_the_import(program: Program, pwd: str, script: str) -> None:
    """os.chdir() at the top of a script: its relative name is still meant from where it was started."""
    release = program.folder / "r1"
    (release / "site").mkdir(parents=True)
    (release / "app.py").symlink_to(program.script)
    (program.folder / "current").symlink_to(release)
    program.start(
        command=[program.python, script],
        folder=program.folder / "current",
        environ={"PWD": pwd.format(program.folder)},
        above="early.enters_site",
    )
    for _ in range(2):
        program.restart()
        assert ask(program, "/process")["directory"] == str(release / "site")
    started_in = pwd.format(program.folder) or str(release)
    assert program.text().count(f"{program.python} in {started_in}\n") == 2


RUN = "import runpy; runpy.run_path('app.py', run_name='__main__')"
WAYS = {
    "script": ["-X", "utf8", "-O", "app.py"],
    "module": ["-X", "utf8", "-O", "-m", "app"],
    "command": ["-Xutf8", "-OB", "-c", RUN],
}


@pytest.mark.parametrize("way", WAYS)
def test_interpreter_options_survive(program: Program, way: str) -> None:
    """-X, -O, -m and -c are the program's start as much as its name is."""
    program.start("--mine", command=[program.python, *WAYS[way]])
    for generation in (1, 2, 3):
        found = ask(program, "/process")
        assert (found["utf8_mode"], found["optimize"], found["arguments"]) == (1, 1, ["--mine"])
        assert program.get("/").headers["x-generation"] == str(generation)
        program.deploy(version=str(generation + 1))
        program.restart()
        assert program.get("/version").body == str(generation + 1).encode()


@pytest.mark.parametrize("line", ["#!/usr/bin/env python3", f"#!{sys.executable}", f"#!{sys.executable} -O"])
def test_an_executable_script(program: Program, line: str) -> None:
    """`./serve` with a `#!` of any kind."""
    script = program.folder / "serve"
    script.write_text(f"{line}\n{RUN}\n")
    script.chmod(0o755)
    path = f"{Path(sys.executable).parent}:{program.environment({})['PATH']}"
    program.start("--mine", command=["./serve"], environ={"PATH": path})
    first = ask(program, "/process")
    assert (first["prefix"], first["optimize"]) == (sys.prefix, int(line.endswith("-O")))
    assert first["arguments"] == ["--mine"]
    for version in ("2", "3"):
        program.deploy(version=version)
        program.restart()
        assert program.get("/version").body == version.encode()
        assert ask(program, "/process") == first
