"""What is loaded stays: the garbage collector leaves it alone, and no request waits until it has looked at it all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import Program
from tests.restart.gunicorns import Gunicorn

ALONE = b"False True"


@pytest.mark.parametrize("settings", [{}, {"workers": 2}])
def test_serve(program: Program, settings: dict[str, Any]) -> None:
    program.start(app="collecting", **settings)
    assert program.get("/").body == ALONE
    program.restart()
    program.settle()
    assert program.get("/").body == ALONE
    assert program.stop() == 0
    assert "behind it: True" in program.text()


@pytest.mark.parametrize("words", [(), ("-w", "2"), ("-w", "2", "--preload")])
def test_run(program: Program, words: tuple[str, ...]) -> None:
    command = [program.python, "-m", "hotswap", "run", "app:app", "-b", "127.0.0.1:0"]
    program.start(*words, app="collecting", command=command)
    assert program.get("/").body == ALONE
    assert program.stop() == 0


def test_under_gunicorn(program: Program) -> None:
    program.deploy(app="collecting")
    gunicorn = Gunicorn(program).start()
    assert gunicorn.get("/").body == ALONE
