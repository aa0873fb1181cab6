"""How a predecessor tells what has become of its successor, and what both show of themselves."""

from __future__ import annotations

import signal

from tests.eventually import eventually
from tests.harness import Program
from tests.processes import arguments


def test_ready_without_sigterm(program: Program) -> None:
    """A successor that said ready and lives, but whose SIGTERM does not come, has taken over all the same."""
    program.start(above="early.ready_without_sigterm")
    program.hup()
    program.wait_for("its SIGTERM did not come: retiring all the same")
    program.wait_for("gen=1 .* retired")


def test_an_exit_is_noticed_though_a_child_holds_the_pipes(program: Program) -> None:
    """That the successor is gone is learnt from its pidfd: its children may keep every pipe open."""
    program.start(above="early.leaves_a_child")
    program.hup()
    program.wait_for("restart failed, generation 1 serves on: the successor .* exited with status 7")
    assert program.get("/").status == 200


def test_a_check_that_is_answered_well(program: Program) -> None:
    """The successor asks itself before it is ready; only then it takes over."""
    program.start(check="/slow/0")
    assert program.text().index("slow 0 began") < program.text().index("serving at")
    mark = program.mark()
    program.restart()
    assert program.text().index("slow 0 began", mark) < program.text().index("serving at", mark)


def test_a_new_address_that_collides_with_one_we_hold(program: Program) -> None:
    """0.0.0.0:p cannot be bound beside 127.0.0.1:p: the restart fails with a sentence, the server serves on."""
    program.start()
    program.deploy(address=f"0.0.0.0:{program.port}")
    program.hup()
    program.wait_for(rf"cannot bind 0\.0\.0\.0:{program.port} \(.*\): ")
    assert program.get("/").status == 200
    assert program.serving_pid == program.pid


def test_titles(program: Program) -> None:
    """What `ps` shows: name, generation, state and address."""
    program.start()
    assert arguments(program.pid)[0] == f"hotswap: app gen 1 [serving] {program.url}"
    program.restart()
    assert arguments(program.serving_pid)[0] == f"hotswap: app gen 2 [serving] {program.url}"
    eventually(lambda: "[retiring" in arguments(program.pid)[0], "the predecessor retires")


def test_every_line_has_an_identity(program: Program) -> None:
    """`gen=2 pid=4711` in every line, of whichever generation."""
    program.start()
    program.restart()
    program.settle()
    program.send(signal.SIGTERM)
    program.wait_gone(*program.pids())
    lines = [line for line in program.text().splitlines() if "] [" in line]
    assert len(lines) > 5
    for line in lines:
        assert any(f"gen={number} pid={pid} " in line for number, pid in program.generations().items()), line
