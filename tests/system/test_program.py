"""How a program is started again: interpreter, arguments, directory, environment, refusals."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hotswap.restart.first_environment import first_environ
from hotswap.restart.program import Origin, Program, describe, without_graceful
from hotswap.restart.refusal import refusal

PYTHON = "/usr/bin/python3"


def executable(path: Path, first_lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(first_lines)
    path.chmod(0o755)
    return path


def test_an_interpreter_without_a_slash_is_looked_up_as_before(tmp_path: Path) -> None:
    """`python app.py`: the interpreter that runs now was found in the PATH that the successor gets too."""
    program = describe(["python", "app.py", "-v"], PYTHON, str(tmp_path), {})
    assert program.executable == PYTHON
    assert program.command() == [PYTHON, "app.py", "-v", "--graceful"]


def test_an_interpreter_with_a_slash_is_named_as_before(tmp_path: Path) -> None:
    """`current/venv/bin/python -m app`: joined to the logical directory, so a moved symlink is followed."""
    program = describe(["current/venv/bin/python", "-m", "app"], PYTHON, "/srv", {})
    assert program.executable == "/srv/current/venv/bin/python"
    assert program.command()[1:] == ["-m", "app", "--graceful"]


@pytest.mark.parametrize("line", ["#!/r1/bin/python\n", "#!/bin/sh\n'''exec' /r1/bin/python \"$0\" \"$@\"\n' '''\n"])
def test_a_console_script_is_executed_itself(tmp_path: Path, line: str) -> None:
    """Its `#!` names the interpreter of the release it lies in; so also with pip's way around long paths."""
    executable(tmp_path / "current/bin/hotswap", line)
    program = describe(["/r1/bin/python", "current/bin/hotswap", "run", "m:a"], PYTHON, str(tmp_path), {})
    assert program.executable == f"{tmp_path}/current/bin/hotswap"
    assert program.command() == [program.executable, "run", "m:a", "--graceful"]


def test_an_interpreter_line_with_an_option(tmp_path: Path) -> None:
    """`#!/r1/bin/python -I` gives the kernel one more argument to put in front of the script."""
    executable(tmp_path / "tool", "#!/r1/bin/python -I\n")
    program = describe(["/r1/bin/python", "-I", "tool", "x"], PYTHON, str(tmp_path), {})
    assert program.command() == [f"{tmp_path}/tool", "x", "--graceful"]


@pytest.mark.parametrize("mode", [0o644, 0o755])
def test_a_script_given_to_another_interpreter_is_not_executed_itself(tmp_path: Path, mode: int) -> None:
    """`/other/python tool` ran another interpreter than the script's own line says."""
    executable(tmp_path / "tool", "#!/r1/bin/python\n").chmod(mode)
    program = describe(["/other/python", "tool"], PYTHON, str(tmp_path), {})
    assert program.executable == "/other/python"


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (["a", "--graceful"], ["a"]),
        (["a", "--graceful", "b"], ["a", "--graceful", "b"]),
        (["--graceful"], ["--graceful"]),
        (["a"], ["a"]),
        ([], []),
    ],
)
def test_only_the_last_word_is_ours(given: list[str], left: list[str]) -> None:
    """--graceful is taken out where a predecessor puts it, and nowhere else."""
    assert without_graceful(given) == left


def test_graceful_is_there_exactly_once() -> None:
    """A successor's own successor has it once, not twice."""
    once = describe(["python", "app.py"], PYTHON, "/", {}).command()
    assert describe(once, PYTHON, "/", {}).command() == once


def test_the_first_environment() -> None:
    """What belongs to one start is left out, and what env_file changed is undone."""
    own = {
        "A": "from env_file",
        "B": "new in env_file",
        "C": "kept",
        "LISTEN_FDS": "1",
        "LISTEN_PID": "7",
        "SERVER_STARTER_PORT": "80=4",
        "HANDOFF": "{}",
    }
    assert first_environ(own, {"A": "original", "B": None}, "HANDOFF") == {"A": "original", "C": "kept"}


APP = Program(sys.executable, (sys.executable, "app.py"), "/", {})


@pytest.mark.parametrize(
    ("program", "origin", "says"),
    [
        (APP, Origin(7, 9, 1, {"SERVER_STARTER_PORT": "80=4"}), "start_server"),
        (Program(sys.executable, (sys.executable, "-"), "/", {}), Origin(7, 9, 1, {}), "standard input"),
        (Program(sys.executable, (sys.executable,), "/", {}), Origin(7, 9, 1, {}), "standard input"),
        (Program(sys.executable, (sys.executable, "-u"), "/", {}), Origin(7, 9, 1, {}), "standard input"),
        (Program(sys.executable, (sys.executable, "-uX", "utf8", "-", "x"), "/", {}), Origin(7, 9, 1, {}), "standard"),
        (Program(sys.executable, (sys.executable, "-Xutf8", "-W", "x"), "/", {}), Origin(7, 9, 1, {}), "standard"),
    ],
)
def test_refusals(program: Program, origin: Origin, says: str) -> None:
    """A restart whose end would end the server is refused, and the sentence has a remedy behind the colon."""
    assert says in refusal(program, origin)
    assert ": " in refusal(program, origin)


@pytest.mark.parametrize(
    "arguments", ["-u app.py -", "-m app", "-um app -", "-c pass -", "-cpass", "-X -u app.py", "-W error -m app"]
)
def test_no_standard_input(arguments: str) -> None:
    """A script, a module or a command is there, whatever the interpreter's options and the program's arguments."""
    assert refusal(Program(sys.executable, (sys.executable, *arguments.split()), "/", {}), Origin(7, 9, 1, {})) == ""
