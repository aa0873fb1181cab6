"""Generation 1 where the pid has to stay, whose successor dies at once: it serves again, and keeps its place."""

from __future__ import annotations

import signal

from tests.commanding import hotswap
from tests.harness import Program


def test_it_is_still_on_the_scoreboard(program: Program) -> None:
    """Copies of what the starter was to have are closed, and one was of the board: closing that gives up all slots."""
    program.start(stable_pid="on")
    for generation in (2, 3):
        program.send(signal.SIGHUP, program.pid)
        pid = program.wait_generation(generation)
        program.wait_for(rf"\(pid {pid}\) serves: retiring")
        program.send(signal.SIGKILL, pid)
        program.wait_for(r"generation 1 serves again", since=program.text().rindex("serves: retiring"))
        command = hotswap(program, "status")
        assert command.returncode == 0, command.stderr
        assert [words[1:4] for line in command.stdout.splitlines() if (words := line.split())[0] == "1"] == [
            [str(program.pid), "server", "serving"]
        ]
    assert hotswap(program, "restart").returncode == 0
