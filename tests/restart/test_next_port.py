"""Programs that call serve() again when it has failed: what a predecessor has passed is there for the next call."""

from __future__ import annotations

import functools
import re
import signal
import socket
from collections.abc import Iterator

import pytest

from tests.asking import connect, read_answer, request
from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import Program
from tests.processes import alive, descriptors
from tests.restart.gates import child_of, refused, wait_at


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A port that another program has."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def addresses(taken: socket.socket) -> list[str]:
    """That one, then any."""
    return [f"127.0.0.1:{taken.getsockname()[1]}", "127.0.0.1:0"]


def answers_as(program: Program, generation: int) -> bool:
    """Whether it answers a new client: workers of its predecessor do until the order to retire has reached them."""
    return program.get("/").headers["x-generation"] == str(generation)


@pytest.mark.parametrize(("workers", "frees"), [(0, False), (1, True)])
def test_the_next_generation_serves_where_its_predecessor_did(
    program: Program, taken: socket.socket, workers: int, frees: bool
) -> None:
    """Its first tries fail as the predecessor's did, also should one succeed by now; no client notices."""
    program.start(app="next_port", address=addresses(taken), workers=workers)
    where = program.address
    if frees:
        taken.close()
    with connect(where) as client:
        for generation in (2, 3):
            assert program.restart() == generation
            client.sendall(request("/"))
            assert read_answer(client).status == 200
            answers = functools.partial(answers_as, program, generation)
            eventually(answers, f"generation {generation} does not answer")
    assert program.text().count("the next one, for: cannot bind") == 3
    assert set(re.findall(r"serving at http://(\S+)", program.text())) == {where}
    listeners = [text for text in descriptors(program.settle()).values() if text.startswith("socket:")]
    assert len(listeners) == len(set(listeners))
    assert program.stop() == 0
    eventually(lambda: refused(program))


def test_under_a_starter(program: Program, taken: socket.socket) -> None:
    """Also that of a generation which takes the place of one that was killed."""
    program.start(app="next_port", address=addresses(taken), stable_pid="on")
    where = program.address
    taken.close()
    program.restart()
    program.wait_for("its process is the starter now")
    for killed in (2, 3):
        program.send(signal.SIGKILL)
        program.wait_generation(killed + 1)
    assert set(re.findall(r"serving at http://(\S+)", program.text())) == {where}
    program.send(signal.SIGTERM, program.pid)
    program.wait_gone(*program.pids())


def test_all_of_them_fail(program: Program, taken: socket.socket) -> None:
    """Then the restart has failed, with the last reason, and the predecessor serves on."""
    program.start(app="next_port", address=addresses(taken))
    program.deploy(address=[*addresses(taken)[:1], "203.0.113.7:1"])
    command = hotswap(program, "restart")
    assert command.returncode == 1
    assert "cannot bind 203.0.113.7:1" in command.stderr
    assert program.get("/").headers["x-generation"] == "1"


@pytest.mark.parametrize("step", ["starting", "begin"])
def test_a_boot_that_fails_late_may_be_tried_again(program: Program, step: str) -> None:
    """Whatever it was that failed, before anything is opened, or after all is: the next call has the same listener."""
    program.start(app="next_port", address=["127.0.0.1:0", "127.0.0.1:0"], below=("faults.fails_once_at", step))
    where = program.address
    with connect(where) as client:
        program.restart()
        client.sendall(request("/"))
        assert read_answer(client).status == 200
    assert program.text().count("the next one, for: no database") == 2
    assert program.get("/").headers["x-generation"] == "2"
    slots = [line.split() for line in hotswap(program, "status").stdout.splitlines()]
    assert [words[3] for words in slots if words[:1] == ["2"]] == ["serving"]


def test_one_that_goes_on_without_serving_is_ended(program: Program) -> None:
    """It holds what it was passed, for a call that does not come; its predecessor does not wait for that."""
    program.start()
    program.deploy(app="catching", below=("faults.fails_at", "begin"), last="gates.after_serve")
    command = hotswap(program, "restart")
    assert command.returncode == 1
    assert "OSError: no database" in command.stderr
    assert program.get("/").headers["x-generation"] == "1"


def test_an_orphan_keeps_no_listener_for_a_call_that_may_not_come(program: Program) -> None:
    """There is no predecessor that would end it, and a client that connects would wait in vain."""
    program.start()
    program.deploy(app="catching", below=["gates.importing", ("faults.fails_at", "starting")], last="gates.after_serve")
    program.hup()
    wait_at(program, "import of 2")
    orphan = child_of(program, program.pid)
    program.send(signal.SIGKILL, program.pid)
    program.wait_gone(program.pid)
    (program.folder / "import of 2").touch()
    program.wait_for(r"caught no database with the sockets \[\]")
    assert refused(program)
    assert alive(orphan)
