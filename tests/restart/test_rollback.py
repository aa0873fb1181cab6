"""`hotswap rollback`: the parked generation serves again, the one on probation retires to it."""

from __future__ import annotations

import random
import select
import signal
from pathlib import Path

import pytest

from tests.asking import connect, read_answer, request
from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import Program
from tests.processes import alive, look
from tests.restart.clusters import workers
from tests.restart.gates import standing_still
from tests.restart.notify_socket import NotifySocket
from tests.restart.parking import LONG, MODES, PAUSES, ask_rollback, park
from tests.restart.test_load import CLIENTS, assert_nobody_noticed
from tests.traffic import Traffic


@MODES
def test_under_load(program: Program, number: int) -> None:
    """No request fails and no connection is closed, in deploy and rollback, twice."""
    path = program.folder / "pid"
    program.start(probation=LONG, workers=number, pidfile=str(path), below="sayings.ways_back")
    before = workers(program)
    with Traffic(program.address, CLIENTS, seconds=60, pauses=PAUSES) as traffic:
        eventually(lambda: "1" in traffic.snapshot().versions, "version 1 answers")
        for generation in (2, 3):
            program.deploy(version=str(generation))
            mark = program.mark()
            program.send(signal.SIGHUP, program.pid)
            found = program.wait_for(r"generation \d+ \(pid (\d+)\) serves, on probation", since=mark)
            traffic.restarted()
            command = hotswap(program, "rollback")
            assert command.returncode == 0, command.stderr
            assert f"generation 1 (pid {program.pid}) serves again" in command.stdout
            program.wait_for(rf"gen={generation} .*generation 1 \(pid \d+\) serves again: retiring to it", since=mark)
            program.wait_for(rf"1 heard: generation {generation} \(pid \d+\) was rolled back", since=mark)
            assert int(path.read_text()) == program.pid
            traffic.restarted()
            program.wait_for(rf"gen={generation} pid={found[1]} retired", since=mark)
    result = traffic.result()
    assert_nobody_noticed(result)
    assert {"1", "2", "3"} <= set(result.versions)
    assert program.get("/version").body == b"1"
    assert workers(program, program.pid) == before
    # Its children do not stay as zombies.
    eventually(lambda: all((each := look(pid)) is None or not each.zombie for pid in program.pids()), "zombies")
    assert program.text().count("1 resumed, told to leave: False\n") == 2
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0


def test_what_runs_is_finished_where_it_began(program: Program) -> None:
    """A request that the new version has is answered by it, and its connection goes back then; an idle one at once."""
    program.start(probation=LONG)
    park(program)
    with connect(program.address) as busy, connect(program.address) as idle:
        idle.sendall(request("/echo/x"))
        assert read_answer(idle).headers["x-generation"] == "2"
        busy.sendall(request("/gated/go"))
        program.wait_for("at gate go\n")
        assert hotswap(program, "rollback").returncode == 0
        idle.sendall(request("/echo/x"))
        assert read_answer(idle).headers["x-generation"] == "1"
        (program.folder / "go").touch()
        assert read_answer(busy).headers["x-generation"] == "2"
        busy.sendall(request("/echo/x"))
        assert read_answer(busy).headers["x-generation"] == "1"


def test_where_it_cannot(program: Program) -> None:
    """It says why, and what to do instead."""
    program.start()
    command = hotswap(program, "rollback")
    assert command.returncode == 1
    assert "is not on probation, so no older generation is parked: deploy the old version" in command.stderr
    program.deploy(probation=LONG, below="gates.importing")
    mark = program.mark()
    program.hup()
    program.wait_for("at gate import of 2", since=mark)
    command = hotswap(program, "rollback")
    assert command.returncode == 1
    assert "a restart of generation 1" in command.stderr
    (program.folder / "import of 2").touch()
    program.wait_for("serves, on probation for 600 s: parked", since=mark)
    assert hotswap(program, "rollback").returncode == 0
    command = hotswap(program, "rollback")
    assert command.returncode == 1
    assert "is not on probation" in command.stderr


def test_where_the_pid_stays(program: Program) -> None:
    """Before generation 1 has become the starter, and after: the starter starts none, and the pid stays."""
    program.start(stable_pid="on", probation=LONG)
    park(program)
    assert hotswap(program, "rollback").returncode == 0
    assert program.get("/").headers["x-generation"] == "1"
    program.deploy(probation=0)
    program.send(signal.SIGHUP, program.pid)
    program.wait_for(r"its process is the starter now")
    program.deploy(probation=LONG)
    mark = program.mark()
    program.send(signal.SIGHUP, program.pid)
    newest = int(program.wait_for(r"generation 4 \(pid (\d+)\) serves, on probation", since=mark)[1])
    assert hotswap(program, "rollback").returncode == 0
    program.wait_gone(newest)
    assert program.get("/").headers["x-generation"] == "3"
    # The same with one that dies.
    mark = program.mark()
    program.send(signal.SIGHUP, program.pid)
    newest = int(program.wait_for(r"generation 5 \(pid (\d+)\) serves, on probation", since=mark)[1])
    program.send(signal.SIGKILL, newest)
    program.wait_for("generation 3 serves again", since=mark)
    assert program.get("/").headers["x-generation"] == "3"
    # And the starter's order still finds the generation that serves.
    program.send(signal.SIGHUP, program.pid)
    program.wait_for(r"generation 6 \(pid \d+\) serves, on probation", since=mark)
    assert "no generation serves" not in program.text()
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0


def test_a_stop_in_between(program: Program) -> None:
    """The generation that was taken back is told to stop before it knows: the server stops, and nothing is left."""
    path = program.folder / "s.sock"
    program.start(address=f"unix:{path}", probation=LONG, pidfile=str(program.folder / "pid"))
    successor = park(program)
    with standing_still(program, successor):
        ask_rollback(program)
        program.wait_for("restart failed, generation 1 serves on: generation 2 .* was rolled back")
        program.send(signal.SIGTERM, successor)
    program.wait_for(r"gen=2 .*SIGTERM sent to generation 1")
    program.wait_gone(*program.pids())
    assert program.wait_status() == 0
    assert not path.exists()
    assert not (program.folder / "pid").exists()


def test_the_old_one_dies_before_the_new_one_knows(program: Program) -> None:
    """Killed when it has taken the service back: the new one never hears of it, and serves on."""
    path = program.folder / "pid"
    program.start(probation=LONG, pidfile=str(path))
    successor = park(program)
    with standing_still(program, successor):
        ask_rollback(program)
        program.wait_for("restart failed, generation 1 serves on: generation 2 .* was rolled back")
        assert int(path.read_text()) == program.pid
        program.send(signal.SIGKILL, program.pid)
        assert program.wait_status() == -signal.SIGKILL
    eventually(lambda: int(path.read_text()) == successor, "the pid file names a dead process")
    assert program.get("/").headers["x-generation"] == "2"
    eventually(lambda: "last restart: " in hotswap(program, "status").stdout, "the restart has failed")
    assert hotswap(program, "restart", "--probation", "0").returncode == 0


def test_what_systemd_hears(program: Program, tmp_path: Path) -> None:
    """Whichever of the two is its main process names the one that serves, and that names itself."""
    with NotifySocket(f"{tmp_path}/notify") as systemd:
        program.start(environ=systemd.environ, probation=LONG)
        assert systemd.next().fields["MAINPID"] == str(program.pid)
        successor = park(program)
        assert systemd.next().names[0] == "RELOADING"
        assert (said := systemd.next()).fields["MAINPID"] == str(successor)
        assert said.pid == program.pid
        assert hotswap(program, "rollback").returncode == 0
        heard = {(said.pid, said.fields.get("MAINPID")) for said in (systemd.next(), systemd.next())}
        assert heard == {(program.pid, str(program.pid)), (successor, str(program.pid))}


def test_a_worker_class_of_gunicorns(program: Program) -> None:
    """Its workers do not come back, but are forked anew; connections end, as in a restart."""
    program.start(probation=LONG, workers=1, worker_class="sync")
    park(program)
    assert program.get("/").headers["x-generation"] == "2"
    assert hotswap(program, "rollback").returncode == 0
    eventually(lambda: program.get("/").headers["x-generation"] == "1", "generation 1 does not answer")


def test_a_lame_duck_is_not_taken_back(program: Program) -> None:
    """A stop that lets load balancers notice: killed meanwhile, the server is stopped all the same."""
    program.start(probation=LONG, lame_duck=30)
    successor = park(program)
    mark = program.mark()
    program.send(signal.SIGTERM, successor)
    program.wait_for("gen=2 .*lame duck", since=mark)
    command = hotswap(program, "rollback")
    assert command.returncode == 1
    assert "lame duck" in command.stderr
    program.send(signal.SIGKILL, successor)
    assert program.wait_status() == 0
    assert "serves again" not in program.text()


@pytest.mark.timeout(90)
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_a_random_moment(program: Program, seed: int) -> None:
    """Whichever of the two is killed during a rollback: one serves on, and the next restart works."""
    chance = random.Random(seed)
    program.start(probation=LONG)
    successor = park(program)
    with Traffic(program.address, {"one-shot": 4}, seconds=60, pauses=PAUSES) as traffic:
        victim = chance.choice([program.pid, successor])
        ask_rollback(program)
        select.select([], [], [], chance.uniform(0.0, 0.25))
        if alive(victim):
            program.send(signal.SIGKILL, victim)
        survivor = program.pid if victim == successor else successor
        eventually(lambda: program.get("/pid").body == str(survivor).encode(), "the survivor does not serve")
        traffic.wait(0.1)
    result = traffic.result()
    assert "refused" not in result.failures.get("one-shot", {}), result
    eventually(lambda: hotswap(program, "restart", "--timeout", "2").returncode in (0, 3), "no restart")
