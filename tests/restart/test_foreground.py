"""While files are watched, the process that was started stays in front: whoever waits for it waits for the server."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hotswap.system.program import Origin, refusal
from hotswap.system.program import Program as Started
from tests.harness import ROOT, Program
from tests.processes import descendants, descriptors

WATCH: dict[str, Any] = {"reload": True, "exclude_patterns": [f"{ROOT}/*"]}


@pytest.fixture
def behind(program: Program) -> Program:
    """A server of generation 2, with generation 1 in front of it."""
    program.start(**WATCH)
    program.restart()
    program.wait_for("gen=1 .*in front of the server")
    return program


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_to_it_stops_the_server(behind: Program, number: signal.Signals) -> None:
    """An editor's stop button, `docker stop`: both end, and the status is 0."""
    behind.send(number, behind.pid)
    assert behind.wait_status() == 0
    assert behind.alive() == []
    behind.wait_for("gen=2 .*stopped")
    assert "serve() returned retired" in behind.text()


def test_ctrl_c_reaches_all_and_is_no_hammer(behind: Program) -> None:
    """The terminal signals the whole group: the server finishes what it serves all the same."""
    for pid in (behind.serving_pid, behind.pid):
        behind.send(signal.SIGINT, pid)
    assert behind.wait_status() == 0
    behind.wait_for("draining")
    assert "ending what still runs" not in behind.text()


def test_a_restart_is_passed_on(behind: Program) -> None:
    """`kill -HUP` of the pid one knows; the process in front stays the same over any number of restarts."""
    for following in (3, 4):
        behind.send(signal.SIGHUP, behind.pid)
        behind.wait_generation(following)
        behind.wait_for(f"gen={following - 1} .*retired")
    assert behind.get("/").headers["x-generation"] == "4"
    behind.wait_gone(*(behind.generations()[number] for number in (2, 3)))
    assert behind.alive() == [behind.pid, behind.serving_pid]
    # It is the parent of one of them only; none is left as a zombie of it.
    assert [process.pid for process in descendants(behind.pid) if process.zombie] == []


def test_it_holds_nothing(behind: Program) -> None:
    """No listener, no exchange: what it held would keep an address taken, or clients waiting."""
    sockets = [target for target in descriptors(behind.pid).values() if target.startswith("socket:")]
    assert sockets == []


def test_the_server_dies(behind: Program) -> None:
    """There is nobody left to wait for."""
    behind.send(signal.SIGKILL, behind.serving_pid)
    assert behind.wait_status() == 0


def test_without_watching_it_leaves(program: Program) -> None:
    """In production generation 1 goes like every other."""
    program.start()
    program.restart()
    assert program.settle() != program.pid


def test_it_may_be_replaced_where_its_exit_would_end_the_server(tmp_path: Path) -> None:
    """As pid 1 of a container, or as what supervisord has started: because it does not exit."""
    program = Started("/usr/bin/python3", ("/usr/bin/python3", "app.py"), str(tmp_path), os.environ)
    for origin in (Origin(1, 0, 1, {}), Origin(77, 2, 1, {"SUPERVISOR_ENABLED": "1"})):
        assert refusal(program, origin)
        assert not refusal(program, origin, stays=True)
    starter = Origin(77, 2, 1, {"SERVER_STARTER_PORT": "80=3"})
    assert "start_server" in refusal(program, starter, stays=True)
