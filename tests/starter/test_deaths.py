"""A server that dies under a starter is replaced at once, and no client is refused; with the starter, all goes."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.asking import connect, request
from tests.eventually import eventually
from tests.harness import Program
from tests.processes import descendants
from tests.restart.gates import open_gate, refused, wait_at
from tests.starter.test_pid_stays import STANDS, run


def behind_serve(program: Program) -> None:
    """Generation 1 has become the starter."""
    program.start(stable_pid="on")
    program.restart()
    program.wait_for(STANDS)


def behind_run(program: Program) -> None:
    """The starter was there first."""
    program.start(command=run(program))


WAYS = {"serve": behind_serve, "run": behind_run}


@pytest.mark.parametrize("way", WAYS)
def test_no_client_is_refused(program: Program, way: str) -> None:
    """Twenty clients come while there is no server: they wait, and are answered by the next one."""
    WAYS[way](program)
    killed = program.serving_pid
    following = program.serving_generation + 1
    program.send(signal.SIGKILL, killed)
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(lambda _: program.get("/"), range(20)))
    assert {answer.status for answer in answers} == {200}
    assert {answer.headers["x-generation"] for answer in answers} == {str(following)}
    program.wait_for(f"starter .*generation {following - 1} .pid {killed}. was killed by SIGKILL")
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0


def test_a_request_that_was_read_is_all_that_is_lost(program: Program) -> None:
    """The client sees the end of its connection; the next one is served."""
    behind_run(program)
    with connect(program.address) as client:
        client.sendall(request("/gated/never"))
        wait_at(program, "never")
        program.send(signal.SIGKILL, program.serving_pid)
        assert client.recv(100) == b""
    assert program.get("/").headers["x-generation"] == "2"


@pytest.mark.parametrize("way", WAYS)
def test_the_starter_is_killed(program: Program, way: str) -> None:
    """A new one can bind within a second, and nothing stays."""
    WAYS[way](program)
    program.send(signal.SIGKILL, program.pid)
    eventually(lambda: refused(program), "the listener is closed", deadline=1.0)
    program.wait_for("the starter has ended: the server stops")
    program.wait_gone(*program.pids())


def test_a_successor_that_the_starter_does_not_know_yet(program: Program) -> None:
    """It has not come to import hotswap when its predecessor dies; of it and the replacement one serves in the end."""
    behind_serve(program)
    program.deploy(above="early.until_go")
    program.send(signal.SIGHUP, program.pid)
    program.wait_for("hanging")
    program.send(signal.SIGKILL, program.serving_pid)
    program.wait_for("no generation serves: starting generation 4")
    open_gate(program, "go")
    program.wait_generation(4)
    eventually(lambda: len(generations(program)) == 1, "two servers stay")
    assert program.get("/").headers["x-generation"] == "4"


def test_a_successor_that_appears_after_the_stop(program: Program) -> None:
    """Its predecessor, which would end it, dies before it comes to that. A stop that is asked for twice is one line."""
    behind_serve(program)
    program.deploy(above="early.until_go")
    program.send(signal.SIGHUP, program.pid)
    program.wait_for("hanging")
    predecessor = program.serving_pid
    program.send(signal.SIGSTOP, predecessor)
    program.send(signal.SIGTERM, program.pid)
    program.wait_for(r"\[INFO\] starter pid=\d+ received SIGTERM: the server stops")
    program.send(signal.SIGTERM, program.pid)
    open_gate(program, "go")
    eventually(lambda: generations(program) == [predecessor], "it serves on")
    program.send(signal.SIGKILL, predecessor)
    program.wait_status()
    assert program.text().count("received SIGTERM") == 1
    assert f"] [{program.pid}] [" not in program.text()


@pytest.mark.parametrize("way", ["run", "generation 1"])
def test_the_server_dies_when_it_was_told_to_stop(program: Program, way: str) -> None:
    """Its predecessor could take back the service still, and must not."""
    program.start(**({"command": run(program)} if way == "run" else {"stable_pid": "on"}))
    program.send(signal.SIGHUP, program.pid)
    program.wait_for("generation 2 .* serves: retiring")
    successor = program.serving_pid
    program.send(signal.SIGSTOP, successor)
    program.send(signal.SIGTERM, program.pid)
    program.wait_for("gen=1 .* SIGTERM while retiring")
    program.send(signal.SIGKILL, successor)
    program.wait_status()
    assert "serves again" not in program.text()


def generations(program: Program) -> list[int]:
    """The processes that the starter has, also as grandchildren."""
    return [each.pid for each in descendants(program.pid) if not each.zombie]


def test_the_starter_is_killed_while_a_successor_boots(program: Program) -> None:
    """The successor has the listeners too, and ends before it has served."""
    program.start(command=run(program), below="gates.importing")
    program.send(signal.SIGHUP, program.pid)
    wait_at(program, "import of 2")
    program.send(signal.SIGKILL, program.pid)
    eventually(lambda: refused(program), "the listener is closed", deadline=1.0)
    eventually(lambda: program.alive() == [], "nothing stays")


def test_it_is_killed_while_it_replaces_a_server(program: Program) -> None:
    """The generation that it has just started ends with it."""
    program.start(command=run(program), below="gates.importing")
    program.send(signal.SIGKILL, program.serving_pid)
    wait_at(program, "import of 2")
    program.send(signal.SIGKILL, program.pid)
    eventually(lambda: refused(program), "the listener is closed", deadline=1.0)
    eventually(lambda: program.alive() == [], "nothing stays")


def test_it_is_killed_before_its_child_knows_hotswap(program: Program) -> None:
    """A long import above `import hotswap` must not keep the listeners so long."""
    behind_serve(program)
    program.deploy(above="early.until_go")
    program.send(signal.SIGKILL, program.serving_pid)
    program.wait_for("hanging")
    program.send(signal.SIGKILL, program.pid)
    eventually(lambda: refused(program), "the listener is closed", deadline=1.0)
    eventually(lambda: program.alive() == [], "nothing stays")


def test_the_first_start_fails(program: Program) -> None:
    """As without a starter: the sentence, and the status."""
    program.start(command=[program.python, "-m", "hotswap", "run", "nowhere:app", "--stable-pid", "on"], ready=False)
    assert program.wait_status() == 1
    assert "nowhere" in program.text()
    program.start(command=run(program, "--bogus"), ready=False)
    assert program.wait_status() == 2


def test_a_deploy_ends_the_wait_for_the_next_start(program: Program) -> None:
    """A server that dies again and again is started ever later; the deploy that mends it is not."""
    program.start(command=run(program))
    for generation in (2, 3):
        program.send(signal.SIGKILL, program.serving_pid)
        program.wait_generation(generation)
    program.send(signal.SIGKILL, program.serving_pid)
    program.wait_for("starting generation 4 in 2 s")
    program.send(signal.SIGHUP, program.pid)
    program.wait_for("starting generation 4 now")
    program.wait_generation(4)
    program.restart()
    assert program.get("/").headers["x-generation"] == "5"


def test_it_gives_up(program: Program) -> None:
    """A release that cannot serve any more, five times in a row: a supervisor must learn of it."""
    program.start(command=run(program))
    program.deploy(text="raise RuntimeError('broken release')\n")
    program.send(signal.SIGKILL, program.serving_pid)
    assert program.wait_status(deadline=40.0) == 1
    assert program.text().count("broken release") >= 5
    assert program.alive() == []


def test_orphans_are_reaped(program: Program) -> None:
    """Also those that are none of the server's: as a subreaper, or as pid 1, it is their parent."""
    program.start(command=run(program), below="forks.leaves_an_orphan")
    pid = program.wait_for(r"an orphan: (\d+)\n")[1]
    # One that has ended and was not reaped is a zombie, and is still there.
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "it is not reaped")
