"""The last thing that can fail before a generation serves: it is told, and no client has been accepted by then."""

from __future__ import annotations

import os
import signal

from tests.asking import connect, read_answer, request
from tests.commanding import hotswap
from tests.harness import Program
from tests.restart.gates import child_of, open_gate, standing_still, wait_at

RUN = ["-m", "hotswap", "run", "app:app", "-b", "127.0.0.1:0", "-p", "app.pid"]


def test_the_pid_file_cannot_be_put_in_place(program: Program) -> None:
    """The predecessor says why, and has every client that came meanwhile."""
    program.start(command=[program.python, *RUN], below="gates.without_its_pid_file")
    program.hup()
    wait_at(program, "begin")
    successor = child_of(program, program.pid)
    with standing_still(program, program.pid), connect(program.address) as client:
        client.sendall(request("/echo/x"))
        open_gate(program, "begin")
        program.wait_gone(successor)
        os.kill(program.pid, signal.SIGCONT)
        assert read_answer(client).headers["x-generation"] == "1"
    program.wait_for(r"restart failed, generation 1 serves on: .*(\n.*)*?cannot write the pid file")
    assert (program.folder / "app.pid").read_text() == f"{program.pid}\n"
    assert "cannot write the pid file" in hotswap(program, "status").stdout
    assert program.stop() == 0


def test_a_program_that_catches_it(program: Program) -> None:
    """An error after the check is told as one before it is, whatever the program makes of the exception."""
    program.start()
    program.deploy(app="catching", below=("faults.fails_at", "begin"))
    command = hotswap(program, "restart")
    assert command.returncode == 1
    assert "OSError: no database" in command.stderr
    program.wait_for("caught no database")
