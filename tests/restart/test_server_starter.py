"""Under Debian's real start_server (Server::Starter): it restarts us, so we do not, and take its signals calmly."""

from __future__ import annotations

import functools
import signal

import pytest

from tests.asking import connect, read_answer, request
from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import READY, Program
from tests.processes import alive
from tests.restart.gates import open_gate, wait_at
from tests.traffic import Traffic

pytestmark = pytest.mark.needs("start_server", "libserver-starter-perl")


def start(program: Program, *options: str, address: str = "127.0.0.1:0") -> None:
    """Starts the program as start_server's worker; `program.pid` is start_server, `serving_pid` the newest worker."""
    listens = options or ("--port", address)
    program.start(command=["start_server", *listens, "--", program.python, str(program.script)], address=address)


def hup(program: Program) -> int:
    """Has start_server make a new worker, waits until that serves and all before have left; gives its pid."""
    before, mark = program.serving_pid, program.mark()
    program.send(signal.SIGHUP, program.pid)
    program.wait_for(READY, since=mark)
    program.wait_gone(before)
    return program.serving_pid


def test_a_worker_serves(program: Program) -> None:
    """The socket of start_server is found by the name it was given on the command line, and every worker has it."""
    start(program)
    address = program.address
    assert program.get("/pid").body == str(program.serving_pid).encode()
    assert program.serving_pid != program.pid
    program.deploy(version="2")
    hup(program)
    assert program.address == address
    assert program.get("/version").body == b"2"
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0
    assert not program.alive()


def has_answered(traffic: Traffic, version: str) -> bool:
    """Whether a client has had an answer of that version."""
    return version in traffic.snapshot().versions


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_no_request_is_lost(program: Program, kind: str) -> None:
    """Two new workers under load: a client that connects is answered by the one or by the other."""
    path = program.folder / "s.sock"
    if kind == "unix":
        start(program, "--path", str(path), address=f"unix:{path}")
    else:
        start(program)
    identity = path.stat().st_ino if kind == "unix" else 0
    with Traffic(program.address, {"one-shot": 4, "pipelining": 1}, seconds=30) as traffic:
        for before, number in (("1", "2"), ("2", "3")):
            # By now or never: once the old worker has left, no client gets an answer of its version.
            eventually(functools.partial(has_answered, traffic, before), f"version {before} answers")
            program.deploy(version=number)
            hup(program)
            # Its old worker did not make the path, so it must not remove it.
            assert kind == "tcp" or path.stat().st_ino == identity
        eventually(functools.partial(has_answered, traffic, "3"), "version 3 answers")
    result = traffic.result()
    assert result.failures == {}, result
    assert list(result.versions) == ["1", "2", "3"]


def test_terms_are_taken_calmly(program: Program) -> None:
    """A worker that drains gets TERM again at every later HUP, and still finishes what it began."""
    start(program)
    first = program.serving_pid
    with connect(program.address) as client:
        client.sendall(request("/gated/go"))
        wait_at(program, "go")
        for _ in range(2):
            mark = program.mark()
            program.send(signal.SIGHUP, program.pid)
            program.wait_for(READY, since=mark)
            program.wait_for(rf"pid={first} .*(draining: no new|SIGTERM while draining)", since=mark)
        for _ in range(5):
            program.send(signal.SIGTERM, first)
        open_gate(program, "go")
        answer = read_answer(client)
        assert (answer.status, answer.headers["x-pid"]) == (200, str(first))
    program.wait_gone(first)
    program.wait_for(rf"old worker {first} died, status:0")
    assert program.get("/pid").body == str(program.serving_pid).encode()


def test_a_new_worker_that_fails(program: Program) -> None:
    """start_server keeps the old one, which is not disturbed."""
    start(program)
    worker = program.serving_pid
    program.deploy(text="import sys\nsys.exit(3)\n")
    program.send(signal.SIGHUP, program.pid)
    program.wait_for("new worker .* seems to have failed to start")
    assert program.get("/pid").body == str(worker).encode()


def test_hup_to_the_worker(program: Program) -> None:
    """It is refused, because start_server would start another worker when this one left; the log names the remedy."""
    start(program)
    worker = program.serving_pid
    program.send(signal.SIGHUP, worker)
    program.wait_for(
        r"restart refused: this process was started by hotswap start, or by start_server \(Server::Starter\): "
        "send the SIGHUP to that"
    )
    assert program.get("/pid").body == str(worker).encode()
    command = hotswap(program, "restart", str(worker))
    assert command.returncode == 1
    assert "send the SIGHUP to that, or use hotswap start --restart" in command.stderr
    assert f"generation 1 (pid {worker}) serves" in command.stderr
    assert hup(program) != worker


def test_the_application_sees_nothing_of_the_socket(program: Program) -> None:
    """SERVER_STARTER_PORT is gone, or the application's own subprocesses would take it for theirs."""
    start(program)
    environment = program.get("/env").body.decode()
    assert "SERVER_STARTER_PORT" not in environment
    assert '"SERVER_STARTER_GENERATION": "1"' in environment


def test_a_stop_of_the_worker(program: Program) -> None:
    """`hotswap stop` ends the worker; start_server, whose business it is, starts the next one."""
    start(program)
    worker, mark = program.serving_pid, program.mark()
    assert hotswap(program, "stop", str(worker)).returncode == 0
    program.wait_for(READY, since=mark)
    assert program.serving_pid != worker
    assert not alive(worker)
    assert program.get("/").status == 200
