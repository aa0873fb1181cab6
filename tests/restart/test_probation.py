"""A generation on probation: its predecessor stays parked, and serves again should it die."""

from __future__ import annotations

import random
import select
import signal
import time

import pytest

from tests.asking import connect, read_answer, request
from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import Program
from tests.processes import alive
from tests.restart.clusters import workers
from tests.restart.gates import refused
from tests.restart.parking import LONG, MODES, PAUSES, park
from tests.traffic import Traffic


@MODES
def test_it_dies(program: Program, number: int) -> None:
    """The parked predecessor serves again, with the workers that it had; what it had been told is taken back."""
    path = program.folder / "pid"
    program.start(pidfile=str(path), probation=LONG, workers=number, below="sayings.ways_back")
    before = workers(program)
    with connect(program.address) as idle:
        idle.sendall(request("/echo/x"))
        assert read_answer(idle).status == 200
        successor = park(program)
        shown = hotswap(program, "status").stdout
        assert [line.split()[3] for line in shown.splitlines() if f" {program.pid} " in line] == ["parked"]
        assert "on probation for 600 s" in shown
        assert int(path.read_text()) == successor
        mark = program.mark()
        program.send(signal.SIGKILL, successor)
        program.wait_for("generation 1 serves again", since=mark)
        program.wait_for(
            rf"restart failed, .*the successor \(pid {successor}\) was killed by SIGKILL .*while it was on probation",
            since=mark,
        )
    assert program.get("/echo/x").headers["x-generation"] == "1"
    assert int(path.read_text()) == program.pid
    assert workers(program, program.pid) == before
    assert "1 told to leave: True\n" in program.text()
    program.wait_for("1 resumed, told to leave: False\n")
    program.wait_for(r"1 heard: the successor \(pid \d+\) was killed")
    assert "while it was on probation" in hotswap(program, "status").stdout
    # The next restart works as ever.
    program.send(signal.SIGHUP, program.pid)
    program.wait_for(r"generation 3 \(pid \d+\) serves, on probation")
    # Workers of generation 1 accept until the order to retire has reached them.
    eventually(lambda: program.get("/").headers["x-generation"] == "3", "generation 3 does not answer")


def test_it_ends_by_itself(program: Program) -> None:
    """Also with status 0: it was not told to stop."""
    program.start(probation=LONG)
    program.deploy(below=("faults.exits_at_sigusr1", 0))
    successor = park(program)
    program.send(signal.SIGUSR1, successor)
    program.wait_for("generation 1 serves again")
    assert program.get("/").headers["x-generation"] == "1"
    assert "exited with status 0 while it was on probation" in hotswap(program, "status").stdout


def test_restart_waits_for_its_end(program: Program) -> None:
    """And says so; then the predecessor goes."""
    program.start(probation=2.5)
    began = time.monotonic()
    command = hotswap(program, "restart")
    assert command.returncode == 0, command.stderr
    assert time.monotonic() - began > 2.5
    assert "on probation for 2.5 s" in command.stderr + command.stdout
    assert "generation 2" in command.stdout
    program.wait_for("the probation of generation 2 is over: retiring")
    program.settle()


@MODES
def test_a_restart_ends_it(program: Program, number: int) -> None:
    """When the successor of the generation on probation is ready, it is that generation which is parked."""
    program.start(probation=LONG, workers=number)
    first, second = program.pid, park(program)
    third = park(program)
    program.wait_for("gen=1 .*the probation of generation 2 is over: retiring")
    program.wait_gone(first)
    program.send(signal.SIGKILL, third)
    program.wait_for("generation 2 serves again")
    assert alive(second)
    eventually(lambda: program.get("/").headers["x-generation"] == "2")


@MODES
@pytest.mark.parametrize("whom", ["serving", "parked"])
def test_a_stop_of_either_stops_both(program: Program, number: int, whom: str) -> None:
    """Nothing is left, neither a process nor a path."""
    path = program.folder / "s.sock"
    program.start(address=f"unix:{path}", probation=LONG, workers=number, pidfile=str(program.folder / "pid"))
    successor = park(program)
    program.send(signal.SIGTERM, successor if whom == "serving" else program.pid)
    program.wait_gone(*program.pids())
    assert program.status(program.pid) == 0
    assert not path.exists()
    assert not (program.folder / "pid").exists()
    assert "serves again" not in program.text()
    assert "Traceback" not in program.text()


def test_both_are_killed_but_one_is_told_to_stop(program: Program) -> None:
    """Told to stop while parked, it does not serve again if the successor dies before it hears of that."""
    path = program.folder / "s.sock"
    program.start(address=f"unix:{path}", probation=LONG)
    successor = park(program)
    program.send(signal.SIGSTOP, successor)
    program.send(signal.SIGTERM, program.pid)
    program.wait_for(r"SIGTERM passed on to generation 2")
    program.send(signal.SIGKILL, successor)
    assert program.wait_status() == 0
    assert "serve() returned stopped" in program.text()
    assert not path.exists()


def test_the_parked_one_dies(program: Program) -> None:
    """Then there is no way back, and the restart has succeeded."""
    program.start(probation=LONG)
    park(program)
    program.send(signal.SIGKILL, program.pid)
    assert program.wait_status() == -signal.SIGKILL
    eventually(lambda: "last restart" in hotswap(program, "status").stdout, "no outcome")
    command = hotswap(program, "rollback")
    assert command.returncode == 1
    assert "its probation is over: deploy the old version" in command.stderr
    assert program.get("/").headers["x-generation"] == "2"


def test_no_probation_after_usr2(program: Program) -> None:
    """Its sender ends the old process himself: neither its SIGTERM nor its SIGQUIT is for the server."""
    program.start(probation=LONG)
    program.send(signal.SIGUSR2)
    program.wait_for(r"generation 2 \(pid \d+\) serves: retiring")
    program.wait_gone(program.pid)
    assert program.get("/").headers["x-generation"] == "2"


def test_a_new_address_goes_with_the_version_that_had_it(program: Program) -> None:
    """Nobody listens there when its generation is dead; the old one is served as before."""
    old, new = program.folder / "old.sock", program.folder / "new.sock"
    program.start(address=[f"unix:{old}"], probation=LONG, stable_pid="on")
    program.deploy(address=[f"unix:{old}", f"unix:{new}"])
    successor = park(program)
    connect(f"unix:{new}").close()
    mark = program.mark()
    program.send(signal.SIGKILL, successor)
    program.wait_for("generation 1 serves again", since=mark)
    with connect(f"unix:{old}") as client:
        client.sendall(request("/"))
        assert read_answer(client).headers["x-generation"] == "1"

    def nobody_listens() -> bool:
        try:
            connect(f"unix:{new}").close()
        except ConnectionRefusedError:
            return True
        return False

    eventually(nobody_listens, "the address of the dead generation is open")


#: What clients meet whose connection the killed process had. Others meet nothing, above all not "refused".
LOST_WITH_IT = {"reset", "reset_mid_answer", "reset_after_answer", "closed_without_answer", "closed_mid_answer"}
CLIENTS = {"keep-alive": 6, "one-shot": 4}
KILLS = 4


@pytest.mark.timeout(90)
@MODES
def test_it_is_killed_at_random_moments_under_load(program: Program, number: int) -> None:
    """No client is refused, and at most what the dead process held is lost."""
    chance = random.Random(number)
    program.start(probation=LONG, workers=number)
    with Traffic(program.address, CLIENTS, seconds=60, pauses=PAUSES) as traffic:
        for _ in range(KILLS):
            mark = program.mark()
            program.send(signal.SIGHUP, program.pid)
            successor = int(program.wait_for(r"gen=\d+ pid=(\d+) serving at", since=mark)[1])
            # From the moment at which the predecessor hears of it on.
            select.select([], [], [], chance.choice([0.0, 0.01, 0.3]) * chance.random())
            program.send(signal.SIGKILL, successor)
            program.wait_for("generation 1 serves (again|on)", since=mark)
            traffic.wait(0.2)
    result = traffic.result()
    for classes in result.failures.values():
        assert set(classes) <= LOST_WITH_IT, result
    # Each client has one connection, and loses it at most once a kill.
    assert result.failed <= KILLS * sum(CLIENTS.values()), result
    assert program.get("/").headers["x-generation"] == "1"
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0
    # Workers whose server process was killed have the listeners for a moment longer.
    eventually(lambda: refused(program), "the port is open")
