"""A program under a debugger is started again without it: where that listens there is no place for a second one."""

from __future__ import annotations

import json
import socket

import pytest

from tests.harness import Program


@pytest.fixture
def port() -> int:
    """One that was free a moment ago: debugpy cannot be handed a socket, and says nothing of the port that 0 chose."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def restarts_plainly(program: Program, name: str) -> None:
    """The second generation has the program's command, and can be restarted itself.

    Its argument is no option: Python 3.13.0's pdb takes the program's options for its own.
    """
    mark = program.mark()
    program.restart()
    assert f" (without {name}, which stays with generation 1)\n" in program.text()[mark:]
    started = json.loads(program.get("/started").body)["orig_argv"]
    assert [word for word in started[1:] if not word.startswith("-X")] == ["app.py", "mine", "--graceful"]
    mark = program.mark()
    program.restart()
    assert "without" not in program.text()[mark:]
    assert program.get("/").headers["x-generation"] == "3"


@pytest.mark.parametrize("workers", [0, 2])
def test_debugpy(program: Program, port: int, workers: int) -> None:
    """It attaches itself to every Python process that is started; not to this one."""
    pytest.importorskip("debugpy", reason="make installs it")
    options = ["-Xfrozen_modules=off", "-m", "debugpy", "--listen", f"127.0.0.1:{port}"]
    command = [program.python, *options, "app.py"]
    program.start("mine", command=command, above="early.notes_how_it_was_started", workers=workers)
    with socket.create_connection(("127.0.0.1", port)):
        restarts_plainly(program, "debugpy")


def test_pdb(program: Program) -> None:
    """Its prompt is for the one process that has the terminal."""
    command = [program.python, "-m", "pdb", "-c", "continue", "app.py"]
    program.start("mine", command=command, above="early.notes_how_it_was_started")
    restarts_plainly(program, "pdb")
