"""Two servers that are given one pid file: it goes on naming the one that serves."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.harness import Program
from tests.processes import alive
from tests.restart.gates import open_gate, wait_at


def test_it_stays_the_first_ones(programs: Callable[[str], Program]) -> None:
    """The second does not start, and says whose the file is; the first restarts as ever, and takes the file along."""
    first, second = programs("first"), programs("second")
    path = first.folder / "app.pid"
    first.start(pidfile=str(path), name="shop")
    second.start(pidfile=str(path), ready=False)
    sentence = rf"the pid file {path} is in use by pid {first.pid}, which serves shop: choose another path, or stop"
    second.wait_for(sentence)
    assert second.wait_status() == 1
    assert path.read_text() == f"{first.pid}\n"
    first.restart()
    assert path.read_text() == f"{first.serving_pid}\n"
    first.settle()
    assert first.stop() == 0
    second.start()
    assert path.read_text() == f"{second.pid}\n"
    assert second.stop() == 0


def test_one_that_was_killed_holds_nothing(program: Program) -> None:
    """A stale file is taken over without a word, as is one whose pid is now another program's."""
    path = program.folder / "app.pid"
    path.write_text("1\n")
    assert alive(1)
    program.start(pidfile=str(path))
    assert path.read_text() == f"{program.pid}\n"
    assert program.stop() == 0
    assert not path.exists()


def test_a_deploy_does_not_take_it(programs: Callable[[str], Program]) -> None:
    """A successor whose `pidfile` has become another server's fails the restart; its own server's it may take."""
    first, second = programs("first"), programs("second")
    path = first.folder / "app.pid"
    first.start(pidfile=str(path), name="shop")
    second.start(pidfile=str(second.folder / "app.pid"))
    second.deploy(pidfile=str(path))
    second.hup()
    sentence = f"the pid file {path} is in use by pid {first.pid}, which serves shop: choose another path, or stop"
    second.wait_for(f"gen=1 .*restart failed, generation 1 serves on: (.*\n)*?.*{sentence}")
    assert path.read_text() == f"{first.pid}\n"
    assert (second.folder / "app.pid").read_text() == f"{second.pid}\n"
    assert second.get("/").headers["x-generation"] == "1"


@pytest.mark.needs("start_server", "libserver-starter-perl")
def test_a_deploy_under_start_server_does_not_take_it(programs: Callable[[str], Program]) -> None:
    """Its generations know each other by nothing but the sockets that they share: another server has none of them."""
    first, second = programs("first"), programs("second")
    path, own = first.folder / "app.pid", second.folder / "app.pid"
    first.start(pidfile=str(path), name="shop")
    command = ["start_server", "--port", "127.0.0.1:0", "--", second.python, str(second.script)]
    second.start(command=command, pidfile=str(own))
    before = second.serving_pid
    mark = second.mark()
    second.send(signal.SIGHUP, second.pid)
    second.wait_gone(before)
    second.wait_for("serving at ", since=mark)  # start_server may end the old one before the new one serves
    assert own.read_text() == f"{second.serving_pid}\n"
    second.deploy(pidfile=str(path))
    second.send(signal.SIGHUP, second.pid)
    second.wait_for(f"the pid file {path} is in use by pid {first.pid}, which serves shop")
    assert path.read_text() == f"{first.pid}\n"


def test_one_that_serves_again_does_not_take_it(programs: Callable[[str], Program]) -> None:
    """A deploy gave the path up, and another server has it by now: it stays the other's when the successor is lost."""
    first, second = programs("first"), programs("second")
    path = first.folder / "app.pid"
    first.start(below="gates.retiring", pidfile=str(path))
    first.deploy(pidfile=None)
    first.hup()
    wait_at(first, "retiring")
    assert not path.exists()
    second.start(pidfile=str(path), name="shop")
    first.send(signal.SIGKILL, first.serving_pid)
    open_gate(first, "retiring")
    first.wait_for("generation 1 serves again")
    first.wait_for(f"ERROR. gen=1 .*the pid file {path} is in use by pid {second.pid}, which serves shop")
    assert path.read_text() == f"{second.pid}\n"
    assert first.get("/").headers["x-generation"] == "1"
