"""`hotswap reopen`: every process that writes logs is told, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotswap.cli.reopen import writes_logs
from hotswap.scoreboard import SlotView
from tests.commanding import hotswap
from tests.commands.conftest import Bench
from tests.eventually import eventually
from tests.harness import Program


def test_each_generation_is_told(bench: Bench) -> None:
    """Also one that still finishes what it has; exit 0, and who was told."""
    old = bench.server()
    old.do("state retiring")
    new = bench.joining(old, 2)
    status, out, err = bench.run("reopen", "shop")
    assert (status, err) == (0, "")
    assert out == f"told to reopen log files: generation 1 (pid {old.pid}), generation 2 (pid {new.pid})\n"
    assert (old.lines.next(), new.lines.next()) == ("SIGUSR1", "SIGUSR1")


@pytest.mark.parametrize("state", ["booting", "draining"])
def test_who_might_die_of_it_is_not_told(bench: Bench, state: str) -> None:
    """A process without a handler would be ended by the signal; exit 1."""
    server = bench.server()
    server.do(f"state {state}")
    assert bench.run("reopen", "shop") == (
        1,
        "",
        "hotswap reopen: no process serves as shop that has log files open: see hotswap status\n",
    )
    server.do("state serving")


def test_workers_are_told_by_their_server() -> None:
    """They have no handler of this signal of their own."""
    assert not writes_logs(SlotView(0, 77, 1, "worker", "serving", 0.0, 0.0, 77))


def test_a_log_that_was_renamed(program: Program, tmp_path: Path) -> None:
    """As logrotate does it: the server writes on in a new file."""
    log = tmp_path / "error.log"
    program.start(errorlog=str(log), ready=False)
    eventually(lambda: log.exists() and "serving at" in log.read_text(), "it does not serve")
    log.rename(tmp_path / "error.log.1")
    done = hotswap(program, "reopen")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"generation 1 (pid {program.pid})" in done.stdout
    eventually(lambda: log.exists() and "log files reopened" in log.read_text(), "no new file is written")
    assert hotswap(program, "stop", "--now").returncode == 0
    assert program.wait_status() == 0
