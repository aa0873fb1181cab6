"""What ten, what thirty restarts leave behind: nothing more than one does."""

from __future__ import annotations

import json
import signal

import pytest

from tests.asking import connect, read_answer, request
from tests.harness import Program
from tests.processes import alive, descendants, descriptors


def kinds(pid: int) -> list[str]:
    """What the open descriptors of a process are, without the numbers that differ from one to the next."""
    return sorted(target.split(":")[0] for target in descriptors(pid).values())


def test_graceful_is_there_exactly_once(program: Program) -> None:
    """After ten restarts a successor's arguments, as spawned, have --graceful once, and the program saw none of it."""
    program.start("--mine", above="early.says_arguments", below="sayings.arguments")
    for _ in range(10):
        program.restart()
    lines = program.text().splitlines()
    early = [line for line in lines if line.startswith("early ")][-1]
    assert early.count("--graceful") == 2, "once in sys.orig_argv, once in sys.argv before the import"
    assert {line for line in lines if line.startswith("arguments ")} == {"arguments ['--mine']"}


def test_the_listener_is_descriptor_three(program: Program) -> None:
    """In every generation, whatever the program opens before and after."""
    program.start()
    for _ in range(2):
        assert descriptors(program.serving_pid)[3].startswith("socket:")
        inode = descriptors(program.serving_pid)[3]
        program.restart()
        assert descriptors(program.serving_pid)[3] == inode


@pytest.mark.timeout(180)
def test_nothing_piles_up(program: Program) -> None:
    """After thirty restarts there is no descriptor, no environment variable and no zombie more than after one."""
    program.start()
    program.restart()
    pid = program.settle()
    first_fds, first_env = kinds(pid), sorted(json.loads(program.get("/env").body))
    for _ in range(29):
        program.restart()
    pid = program.settle()
    assert kinds(pid) == first_fds
    assert sorted(json.loads(program.get("/env").body)) == first_env
    assert not [process for process in descendants(pid) if process.zombie]


def test_the_application_sees_nothing_of_the_handoff(program: Program) -> None:
    """Neither the variable nor its descriptors reach the application's own subprocesses."""
    program.start()
    program.restart()
    assert not [name for name in json.loads(program.get("/env").body) if "HOTSWAP" in name]


def test_a_request_that_spans_two_restarts(program: Program) -> None:
    """The process that took the request answers it; its connection then moves to the process that serves."""
    program.start()
    with connect(program.address) as sock:
        sock.sendall(request("/slow/3"))
        program.wait_for("slow 3 began")
        program.restart()
        program.restart()
        answer = read_answer(sock)
        assert b"generation=1 " in answer.body
        sock.sendall(request("/echo/again"))
        assert b"generation=3 " in read_answer(sock).body
    program.settle()
    assert program.stop() == 0


def test_pid_file_names_who_serves(program: Program) -> None:
    """It is replaced when the successor is ready, and removed with the server."""
    path = program.folder / "pid"
    program.start(pidfile=str(path))
    assert int(path.read_text()) == program.serving_pid
    program.restart()
    assert int(path.read_text()) == program.serving_pid != program.pid
    program.settle()
    assert program.stop() == 0
    assert not path.exists()


def test_a_late_term_does_not_kill_the_code_after_serve(program: Program) -> None:
    """serve() returns "retired", the code after it runs, and a SIGTERM that comes late is ignored."""
    program.start(last="sayings.sigterm_and_wait")
    program.restart()
    program.wait_for("after (1|Handlers.SIG_IGN)", deadline=20)
    program.send(signal.SIGTERM, program.pid)
    program.wait_for(r"serve\(\) returned retired")
    program.wait_for("the end")
    assert program.wait_status() == 0
    assert alive(program.serving_pid)
