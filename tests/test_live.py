"""A test that is not live cannot start a server, so `make quick` starts none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.apps import hello
from tests.engine.engine_server import EngineServer
from tests.harness import ROOT, Program
from tests.live import NotLive, starts_processes


@pytest.mark.parametrize(
    "start",
    [
        os.fork,
        lambda: os.posix_spawn("/bin/true", ["true"], {}),
        lambda: os.system("true"),
        lambda: subprocess.run(["true"]),
        lambda: EngineServer(hello),
    ],
    ids=["fork", "posix_spawn", "system", "subprocess", "an engine"],
)
def test_what_starts_a_server_is_refused(start: Callable[[], object]) -> None:
    """Before it happens, and with the name of the test."""
    with pytest.raises(NotLive, match=r"test_what_starts_a_server_is_refused.* is not live"):
        start()


def test_a_program_is_refused(tmp_path: Path) -> None:
    """The harness starts processes as everything else does."""
    with pytest.raises(NotLive, match="test_a_program_is_refused"):
        Program(tmp_path).start()


@starts_processes
def test_a_live_test_may() -> None:
    """The same in a test that says so."""
    assert subprocess.run(["true"]).returncode == 0


@starts_processes
def test_quick_runs_none_of_them() -> None:
    """What `make quick` selects has no test with a program, a process or an engine; the rest has them all."""
    argv = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", "-m", "not live"]
    argv += ["tests/test_harness.py", "tests/test_live.py"]
    found = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert "::test_what_starts_a_server_is_refused" in found.stdout, found.stdout + found.stderr
    assert "::test_start_deploy_restart_stop" not in found.stdout
    assert "::test_a_live_test_may" not in found.stdout
