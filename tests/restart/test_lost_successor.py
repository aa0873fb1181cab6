"""A successor that dies after it took over: its predecessor serves again, with the connections."""

from __future__ import annotations

import signal

import pytest

from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.harness import Program
from tests.processes import alive


def test_it_dies_as_soon_as_it_serves(program: Program) -> None:
    """Idle connections that were on their way come back, new ones are accepted, the pid file is right again."""
    path = program.folder / "pid"
    program.start(pidfile=str(path))
    clients = [connect(program.address) for _ in range(50)]
    for client in clients:
        client.sendall(request("/echo/before"))
        assert read_answer(client).status == 200
    program.deploy(below=["gates.before_ready", ("faults.dies_when_ready", 2)])
    mark = program.mark()
    program.hup()
    program.wait_for("at gate before ready of 2", since=mark)
    # Stopped, so that it hands nothing over before the successor is dead: what that had adopted would die with it.
    program.send(signal.SIGSTOP, program.pid)
    (program.folder / "before ready of 2").touch()
    successor = program.wait_generation(2)
    eventually(lambda: not alive(successor), "the successor is dead")
    program.send(signal.SIGCONT, program.pid)
    program.wait_for("generation 1 serves again")
    for client in clients:
        client.sendall(request("/echo/after"))
        assert b"generation=1 " in read_answer(client).body
        client.close()
    assert int(path.read_text()) == program.pid
    program.deploy(below=[], version="3")
    mark = program.mark()
    program.send(signal.SIGHUP, program.pid)
    program.wait_for(r"gen=[23] pid=\d+ serving at", since=mark)
    program.wait_for("gen=1 pid=.* retired")
    assert program.get("/version").body == b"3"


@pytest.mark.parametrize("attempt", range(5))
def test_it_is_killed_right_after_the_swap(program: Program, attempt: int) -> None:
    """kill -9 from outside, as soon as the log says that the predecessor retires."""
    program.start()
    program.hup()
    program.wait_for("serves: retiring")
    program.send(signal.SIGKILL)
    program.wait_for("generation 1 serves again")
    assert program.get("/echo/x").headers["x-generation"] == "1"
    program.send(signal.SIGHUP, program.pid)
    program.wait_for(r"gen=3 pid=\d+ serving at")
    program.wait_for("gen=1 pid=.*retired")
    assert program.get("/").headers["x-generation"] == "3"


def test_a_successor_that_is_stopped_at_once_takes_the_server_with_it(program: Program) -> None:
    """SIGTERM to the successor means stop: the predecessor does not come back, and closes the port at once."""
    program.start()
    program.restart()
    program.wait_for("serves: retiring")
    program.send(signal.SIGTERM)
    program.wait_gone(*program.pids())
    assert "serves again" not in program.text()
    with pytest.raises(ConnectionRefusedError):
        connect(program.address)


def test_a_connection_with_half_a_head_moves(program: Program) -> None:
    """The first half is read by one generation, the second by the next."""
    program.start()
    with connect(program.address) as client:
        head = request("/echo/halves")
        client.sendall(head[:20])
        # Another one is asked in between, so that the first half has been read.
        assert program.get("/").status == 200
        program.restart()
        program.settle()
        client.sendall(head[20:])
        assert b"generation=2 " in read_answer(client).body


def test_idle_connections_of_every_age_move(program: Program) -> None:
    """Ones that never asked anything, ones that have, over three restarts; none is closed."""
    program.start()
    silent, used = connect(program.address), connect(program.address)
    for generation in (1, 2, 3, 4):
        used.sendall(request("/echo/x"))
        assert read_answer(used).headers["x-generation"] == str(generation)
        if generation < 4:
            program.restart()
            program.settle()
    silent.sendall(request("/echo/x"))
    assert read_answer(silent).headers["x-generation"] == "4"
    silent.close()
    used.close()


def test_an_upload_in_the_middle_is_finished_where_it_began(program: Program) -> None:
    """A half-read body does not move; its connection does, afterwards."""
    program.start(body_buffer=1000)
    with connect(program.address) as client:
        message = request("/upload", method="POST", body=b"x" * 500_000)
        client.sendall(message[:250_000])
        assert program.get("/").status == 200
        program.restart()
        client.sendall(message[250_000:])
        assert read_answer(client).headers["x-generation"] == "1"
        client.sendall(request("/echo/x"))
        assert read_answer(client).headers["x-generation"] == "2"
