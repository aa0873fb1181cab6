"""While files are watched, the process that was started stays in front: what waits for it waits for the server."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.asking import connect, request
from tests.eventually import eventually
from tests.harness import ROOT, Program
from tests.processes import descendants
from tests.restart.gates import open_gate, wait_at

WATCH: dict[str, Any] = {"reload": True, "exclude_patterns": [f"{ROOT}/*"]}


@pytest.fixture
def behind(program: Program) -> Program:
    """A server of generation 2, with generation 1 in front of it."""
    program.start(**WATCH)
    program.restart()
    program.wait_for("its process is the starter now")
    return program


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_to_it_stops_the_server(behind: Program, number: signal.Signals) -> None:
    """An editor's stop button, `docker stop`: both end, and the status is 0."""
    behind.send(number, behind.pid)
    assert behind.wait_status() == 0
    assert behind.alive() == []
    behind.wait_for("gen=2 .*stopped")


def test_ctrl_c_reaches_all_and_is_no_hammer(behind: Program) -> None:
    """The terminal signals the whole group: the server finishes what it serves all the same."""
    for pid in (behind.serving_pid, behind.pid):
        behind.send(signal.SIGINT, pid)
    assert behind.wait_status() == 0
    behind.wait_for("draining")
    assert "ending what still runs" not in behind.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_on_its_way_to_the_front_stops_the_server(program: Program, number: signal.Signals) -> None:
    """It has served and does not yet pass signals on: one that comes then is passed on all the same."""
    program.start(**WATCH, below="gates.retired")
    program.hup()
    wait_at(program, "retired")
    program.send(number, program.pid)
    open_gate(program, "retired")
    assert program.wait_status() == 0
    assert program.alive() == []
    program.wait_for("gen=2 .*stopped")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_while_it_retires_stops_the_server(program: Program, number: signal.Signals) -> None:
    """A page is open that is never through, and keeps generation 1: `docker stop` does not wait for it."""
    program.start(**WATCH, graceful_timeout=1)
    with connect(program.address) as client:
        client.sendall(request("/gated/never"))
        wait_at(program, "never")
        program.restart()
        program.send(number, program.pid)
        assert program.wait_status() == 0
    assert program.alive() == []
    program.wait_for("gen=2 .*stopped")


def test_a_late_signal_of_the_successor_does_not_stop_it(program: Program) -> None:
    """Its SIGTERM was waited for in vain; when it comes after all, it is not a stop button's."""
    program.start(**WATCH, below="gates.late_sigterm", graceful_timeout=1)
    with connect(program.address) as client:
        client.sendall(request("/gated/never"))
        wait_at(program, "never")
        program.hup()
        wait_at(program, "late")
        program.wait_for("its SIGTERM did not come: retiring all the same")
        open_gate(program, "late")
        program.wait_for("SIGTERM while retiring: already leaving")
        mark = program.mark()
        program.send(signal.SIGTERM, program.pid)
        program.wait_for("SIGTERM passed on to generation 2", since=mark)
        assert program.wait_status() == 0
    assert "passed on" not in program.text()[:mark]
    assert program.alive() == []


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
    eventually(lambda: not [process for process in descendants(behind.pid) if process.zombie], "a zombie is left")


def test_the_server_dies(behind: Program) -> None:
    """Another generation serves at once."""
    behind.send(signal.SIGKILL, behind.serving_pid)
    behind.wait_generation(3)
    assert behind.get("/").headers["x-generation"] == "3"


def test_without_watching_it_leaves(program: Program) -> None:
    """In production generation 1 goes like every other."""
    program.start()
    program.restart()
    assert program.settle() != program.pid


def test_it_cannot_become_the_starter(program: Program) -> None:
    """A deploy has removed the interpreter: the process stays as it is, and passes on what comes."""
    program.start(below="faults.interpreter_is_pruned", stable_pid="on")
    program.restart()
    program.wait_for("cannot become the starter .*: staying as this process")
    program.wait_for("gen=1 .*in front of the server")
    program.send(signal.SIGHUP, program.pid)
    program.wait_generation(3)
    program.wait_for("gen=2 .*retired")
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0
    assert program.alive() == []


def test_it_waits_for_a_server_that_lingers(program: Program) -> None:
    """Generation 3 has stopped before generation 2, which it replaced, has ended; its own end may take a while too."""
    program.start(below="faults.interpreter_is_pruned", last="gates.after_serve", stable_pid="on")
    program.restart()
    program.wait_for("gen=1 .*in front of the server")
    program.send(signal.SIGHUP, program.pid)
    program.wait_generation(3)
    program.wait_for("gen=2 .*retired\n")
    wait_at(program, "after serve")
    mark = program.mark()
    program.send(signal.SIGTERM, program.pid)
    program.wait_for("gen=3 .*stopped\n", since=mark)
    program.wait_for("at gate after serve\n", since=mark)
    second, third = (program.generations()[number] for number in (2, 3))
    assert waits_for(program.pid) == {second}
    program.send(signal.SIGKILL, second)
    eventually(lambda: waits_for(program.pid) == {third}, f"{program.pid} does not wait for {third}")
    open_gate(program, "after serve")
    assert program.wait_status() == 0
    assert program.alive() == []


def waits_for(pid: int) -> set[int]:
    """The processes of which it holds a pidfd (proc_pid_fdinfo(5))."""
    found: set[int] = set()
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.update(int(line.split()[1]) for line in entry.read_text().splitlines() if line.startswith("Pid:"))
    return found - {-1, 0}
