"""What `hotswap status` says was deployed: by a real server, whose next generation says it anew."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from hotswap.version import VERSION
from tests.commanding import hotswap
from tests.harness import Program

SHOP = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"shop"]
"""


def link(program: Program, release: str) -> None:
    """Put a release in place, and have `current` lead to it."""
    folder = program.folder / release
    folder.mkdir()
    program.write(folder / "shop.py", SHOP)
    aside = program.folder / "current.new"
    aside.symlink_to(release)
    aside.replace(program.folder / "current")


def status(program: Program) -> dict[str, Any]:
    """What the command says of the one server."""
    (server,) = json.loads(hotswap(program, "status", "--json").stdout)
    assert isinstance(server, dict)
    return server


@pytest.mark.parametrize("options", [[], ["--chdir", "{}/current"]], ids=["started there", "chdir"])
def test_release(program: Program, options: list[str]) -> None:
    """The directory is the link, the release what it led to when the generation was started."""
    link(program, "r1")
    current = program.folder / "current"
    command = [sys.executable, "-m", "hotswap", "run", "shop:app", "-b", "127.0.0.1:0"]
    given = [option.format(program.folder) for option in options]
    program.start(*given, command=command, folder=program.folder if options else current)
    first = status(program)
    assert (first["generation"], first["pid"]) == (1, program.pid)
    assert (first["directory"], first["release"]) == (str(current), str(program.folder / "r1"))
    assert (first["addresses"], first["version"]) == ([program.url], VERSION)
    link(program, "r2")
    assert status(program)["release"] == str(program.folder / "r1"), "the old code serves on"
    program.restart()
    second = status(program)
    assert second["generation"] == 2
    assert (second["directory"], second["release"]) == (str(current), str(program.folder / "r2"))
    assert first["started"] == second["started"] <= first["serving_since"] < second["serving_since"]
    program.stop()
