"""The file of a unix listener, when another process has deleted or replaced it."""

from __future__ import annotations

import signal
import socket

import pytest

from tests.asking import connect, get, read_answer, request
from tests.eventually import eventually
from tests.harness import Program
from tests.processes import alive
from tests.restart.gates import open_gate, wait_at


def test_it_is_told_at_the_next_restart(program: Program) -> None:
    """Another program listens there, and a restart cannot change that; the listener at another address serves on."""
    path = program.folder / "s.sock"
    program.start(address=["127.0.0.1:0", f"unix:{path}"])
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        program.restart()
        program.wait_for(
            rf"WARNING\] gen=2 .*no client can connect to unix:{path} \(another program has replaced its file"
        )
        assert program.get("/").headers["x-generation"] == "2"
        program.settle()
        assert program.stop() == 0
    # A stranger's file is left alone.
    assert path.exists()


@pytest.mark.parametrize("done", ["deleted", "left dead"])
def test_it_is_bound_anew_at_the_next_restart(program: Program, done: str) -> None:
    """Clients find the next generation; a connection on the old socket is served on, by the next generation, too."""
    path = program.folder / "s.sock"
    program.start(address=f"unix:{path}")
    with connect(f"unix:{path}") as kept:
        assert answer(kept) == "1"
        path.unlink()
        if done == "left dead":
            with socket.socket(socket.AF_UNIX) as other:
                other.bind(str(path))
        program.restart()
        program.wait_for(f"gen=2 .*the file of unix:{path} was gone: it is bound anew")
        assert program.get("/").headers["x-generation"] == "2"
        assert answer(kept) == "2"
        program.settle()
        assert answer(kept) == "2"
    identity = path.stat().st_ino
    program.restart()
    assert path.stat().st_ino == identity
    assert program.get("/").headers["x-generation"] == "3"
    program.settle()
    assert program.stop() == 0
    assert not path.exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_clients_that_wait_in_the_old_queue_are_served(program: Program, workers: int) -> None:
    """The old generation had no room for one more connection, and takes it when it leaves; no path leads to that queue
    any more."""
    path = program.folder / "s.sock"
    program.start(address=f"unix:{path}", worker_connections=1, workers=workers)
    with connect(f"unix:{path}") as busy, connect(f"unix:{path}") as waiting:
        busy.sendall(request("/gated/answer"))
        wait_at(program, "answer")
        waiting.sendall(request("/"))
        path.unlink()
        program.restart()
        assert read_answer(waiting).headers["x-generation"] == "2"
        open_gate(program, "answer")
        assert read_answer(busy).headers["x-generation"] == "1"


def test_a_deploy_that_fails_leaves_no_dead_file(program: Program) -> None:
    """The path that it has bound anew is as it was: gone. The next deploy binds it."""
    path = program.folder / "s.sock"
    program.start(address=["127.0.0.1:0", f"unix:{path}"], check="/")
    path.unlink()
    program.deploy(check="/nothing")
    program.hup()
    program.wait_for("restart failed")
    assert not path.exists()
    assert program.get("/").headers["x-generation"] == "1"
    program.deploy(check="/")
    program.restart()
    assert get(f"unix:{path}", "/").headers["x-generation"] == "2"


def test_its_directory_is_gone(program: Program) -> None:
    """It cannot be bound: the restart succeeds all the same, and says what is wrong."""
    path = program.folder / "sockets" / "s.sock"
    path.parent.mkdir()
    program.start(address=["127.0.0.1:0", f"unix:{path}"])
    path.unlink()
    path.parent.rmdir()
    program.restart()
    program.wait_for(rf"gen=2 .*no client can connect to unix:{path} \(another program has deleted its file\)")
    assert program.get("/").headers["x-generation"] == "2"


def answer(client: socket.socket) -> str:
    """Which generation answers on a connection."""
    client.sendall(request("/"))
    return read_answer(client).headers["x-generation"]


def test_an_untouched_one_is_no_reason_to_warn(program: Program) -> None:
    """Neither its first restart nor its second says anything of it."""
    program.start(address=f"unix:{program.folder / 's.sock'}")
    program.restart()
    program.restart()
    assert program.get("/").headers["x-generation"] == "3"
    assert "can connect" not in program.text()


def test_a_successor_that_exits_by_an_exception_leaves_it(program: Program) -> None:
    """Its predecessor serves again, and clients find it."""
    path = program.folder / "s.sock"
    program.start(address=f"unix:{path}")
    program.deploy(below=[("faults.exits_when_ready", 2)])
    program.hup()
    program.wait_for("generation 1 serves again")
    assert program.get("/").headers["x-generation"] == "1"
    program.send(signal.SIGTERM, program.pid)
    eventually(lambda: not path.exists(), "the path is gone with the server")


def test_a_predecessor_that_exits_by_an_exception_leaves_it(program: Program) -> None:
    """The successor serves there."""
    path = program.folder / "s.sock"
    program.start(address=f"unix:{path}", below=["faults.exits_at_sigterm"])
    program.deploy(below=[])
    program.hup()
    program.wait_for(r"gen=2 pid=\d+ serving at")
    eventually(lambda: not alive(program.pid), "the predecessor has ended")
    assert program.get("/").headers["x-generation"] == "2"
    assert program.stop() == 0
    assert not path.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_it_goes_with_the_server(program: Program, number: signal.Signals) -> None:
    """After a restart, too."""
    path = program.folder / "s.sock"
    program.start(address=f"unix:{path}")
    program.restart()
    program.settle()
    program.send(number)
    eventually(lambda: not path.exists(), "the path is gone with the server")
