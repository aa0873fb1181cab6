"""Errors in the main loop that no code expects: clients are being served, so each costs as little as can be."""

from __future__ import annotations

import contextlib
import signal

from hotswap.scoreboard import Scoreboard
from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.harness import Program
from tests.restart.clusters import settle, wait_workers, workers
from tests.restart.gates import refused

#: Asked for before connections are received from the exchange, and before they are sent.
LIMIT = ("resource", "getrlimit")
#: What an order to a worker is written with.
ORDER = ("json", "dumps")


def test_the_clock_of_a_server_goes_on(program: Program) -> None:
    """Its beats are what a predecessor waits for before it lets the listeners go; its counters are shown by status."""
    program.start(below=("faults.cannot_ask_for_locks", "ready"))
    program.wait_for("OSError.* no locks")
    with contextlib.closing(Scoreboard.of_pid(program.pid)) as board:
        (first,) = board.slots()
        eventually(lambda: board.slots()[0].beats > first.beats, "no beat after the error")


def test_a_generation_that_leaves_goes_on_leaving(program: Program) -> None:
    """A look that fails is followed by the next, else only the deadline, ten minutes later, would end it; and an error
    that comes twenty times a second is no reason to fill the log."""
    program.start(below=("faults.cannot_ask_for_locks", "retiring", 9))
    program.deploy(below=[])
    program.restart()
    program.settle()
    assert program.text().count("OSError: [Errno 37] no locks") == 1


def test_one_that_cannot_drain_has_a_deadline(program: Program) -> None:
    """The worker is not told. The listeners are closed all the same, what runs is finished, and the deadline ends the
    rest; without it only a SIGINT would."""
    program.start(below=("faults.fails_while_leaving", *ORDER, 1), workers=1, graceful_timeout=2)
    with connect(program.address) as client:
        client.sendall(request("/slow/0.5"))
        program.wait_for("slow 0.5 began")
        program.send(signal.SIGTERM)
        assert read_answer(client).status == 200
        assert client.recv(1) == b""
    assert program.wait_status() == 0
    assert "RuntimeError: 0 to go" in program.text()


def test_one_that_cannot_hand_over_drains(program: Program) -> None:
    """The successor serves; connections that cannot move to it are closed after an answer, and nothing waits for
    retire_timeout."""
    program.start(below=("faults.fails_while_leaving", *LIMIT, 2))
    with connect(program.address) as client:
        client.sendall(request("/version"))
        assert read_answer(client).body == b"1"
        program.deploy(below=[], version="2")
        program.restart()
        assert client.recv(1) == b""
    program.settle()
    assert program.get("/version").body == b"2"
    program.wait_for("gen=1 .* retired")


def test_one_that_can_neither_hand_over_nor_drain_has_a_deadline(program: Program) -> None:
    """It serves on with what it has, until then."""
    program.start(below=("faults.fails_while_leaving", *ORDER, 2), workers=1, retire_timeout=3)
    program.deploy(below=[])
    program.restart()
    settle(program)
    assert "RuntimeError: 0 to go" in program.text()
    program.wait_for("gen=1 .*retire_timeout is over")


def test_a_listener_that_the_application_has_closed(program: Program) -> None:
    """By its number, so that the server does not know. The other one is closed, and serve() returns."""
    program.start(below="faults.closes_descriptor_3", address=["127.0.0.1:0", f"unix:{program.folder}/s"])
    program.send(signal.SIGTERM)
    assert program.wait_status() == 0
    assert "serve() returned stopped" in program.text()
    assert not (program.folder / "s").exists()


def test_an_orphaned_worker_leaves(program: Program) -> None:
    """Nothing would ever end it, and it would keep the listeners."""
    program.start(below="faults.allows_orphans_no_locks", workers=1)
    program.send(signal.SIGKILL)
    program.wait_for("worker 1 finishes and leaves: its server process is gone")
    program.wait_gone(*program.pids())
    assert refused(program)


def test_a_hook_that_fails_keeps_no_worker_from_its_end(program: Program) -> None:
    """worker_int and worker_abort are called on the way out, which goes on."""
    program.start(worker_int="tests.apps.hooks.fails", worker_abort="tests.apps.hooks.fails", workers=1)
    for number in (signal.SIGQUIT, signal.SIGABRT):
        (worker,) = workers(program)
        program.send(number, worker)
        wait_workers(program, 1, without=(worker,))
