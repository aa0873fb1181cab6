"""A start is part of every restart, so it must be short: measured beside what the imports alone take."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.harness import Program

ROUNDS = 7
FLASK = "from __future__ import annotations\n\nimport os\nfrom flask import Flask\n\nFlask(__name__)\n"
RAW = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'']\n"


def import_time(program: Program, code: str) -> float:
    """Seconds the interpreter needs to import the same application, without hotswap; the best of several."""
    times = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", code], check=True, timeout=30, cwd=program.folder)
        times.append(time.monotonic() - began)
    return min(times)


def ready_time(program: Program) -> float:
    """Seconds from starting a successor to its being ready, over several restarts; the best of several."""
    times = []
    for _ in range(ROUNDS):
        program.settle()
        began = time.monotonic()
        program.restart()
        times.append(time.monotonic() - began)
    return min(times)


@pytest.mark.parametrize(
    ("name", "imports", "served", "allowed"),
    [
        ("Flask", FLASK, FLASK + "import hotswap\nhotswap.serve(Flask(__name__), '127.0.0.1:0')\n", 0.100),
        ("raw WSGI", RAW, RAW + "import hotswap\nhotswap.serve(app, '127.0.0.1:0')\n", 0.250),
    ],
)
@pytest.mark.timeout(120)
def test_a_generation_is_ready_soon(
    program: Program, name: str, imports: str, served: str, allowed: float
) -> None:
    """At most 100 ms over the imports of a Flask application, 250 ms over those of a raw one, which shares none."""
    program.start(text=served)
    alone, ready = import_time(program, imports), ready_time(program)
    sys.stdout.write(f"{name}: imports alone {alone * 1000:.0f} ms, ready after {ready * 1000:.0f} ms\n")
    assert ready - alone < allowed
