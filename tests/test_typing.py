"""What a type checker says of a program with mistakes; mypy stands for all of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.live import starts_processes

PROGRAM = """
import hotswap
from typing import Any

def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    return []

@hotswap.on("redy")
def ready(server: hotswap.Server) -> None: ...

@hotswap.on("begin")
def begin(address: int) -> None: ...

@hotswap.on("ready")
def right(server: hotswap.Server) -> None:
    print(server.listening)

@hotswap.on("stopped")
def nothing_wanted() -> None: ...

@hotswap.on("restart_failed")
def both(server: hotswap.Server, text: str) -> None: ...

hotswap.serve(app, worksers=4)
hotswap.serve(app, workers="four")
hotswap.Server(app, log_format="xml").restart()
hotswap.serve(app, "0.0.0.0:80", workers=2, retire_timeout=2.5, debug=True, check="/healthz", stable_pid="on")
"""

MISTAKES = [
    (8, "call-overload", 'No overload variant of "on" matches argument type "str"'),
    (8, "untyped-decorator", 'Untyped decorator makes function "ready" untyped'),
    (11, "type-var", 'Value of type variable "_WithAddress" of function cannot be "Callable[[int], None]"'),
    (24, "call-arg", 'Unexpected keyword argument "worksers" for "serve"; did you mean "workers"?'),
    (25, "arg-type", 'Argument "workers" to "serve" has incompatible type "str"; expected "int | None"'),
    (26, "arg-type", 'Argument "log_format" to "Server" has incompatible type "Literal[\'xml\']"'),
]


@starts_processes
@pytest.mark.timeout(240)  # where nothing is cached, mypy reads the standard library and the whole package
def test_five_mistakes(tmp_path: Path) -> None:
    """Each is found, in its line, and nothing where nothing is wrong. (The first one costs the function its type.)"""
    program = tmp_path / "shop.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context", str(program)]
    environ = {**os.environ, "MYPY_FORCE_COLOR": "0"}
    run = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    found = re.findall(r"(?m)^.*shop\.py:(\d+): error: (.*)  \[([a-z-]+)\]$", run.stdout)
    assert [(int(line), code) for line, _, code in found] == [(line, code) for line, code, _ in MISTAKES], run.stdout
    for (_, said, _), (_, _, expected) in zip(found, MISTAKES, strict=True):
        assert expected in said
