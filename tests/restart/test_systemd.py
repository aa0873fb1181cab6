"""What systemd hears, and from which process. With NotifyAccess=main, the default, it hears the unit's main process
only, so every test looks at the sender too."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.asking import connect, read_answer, request
from tests.harness import Program
from tests.processes import descendants
from tests.restart.gates import open_gate, wait_at
from tests.restart.notify_socket import MORE_TIME, NotifySocket, Said

#: What a server asks for while a successor boots: boot_timeout, and 10 s.
WHILE_BOOTING = "70000000"


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[NotifySocket]:
    """A notification socket."""
    with NotifySocket(f"{tmp_path}/notify") as sock:
        yield sock


def assert_main(said: Said, sender: int, main: int) -> None:
    """READY from `sender`, with `main` as the main process in the same datagram."""
    assert said.names == ["MAINPID", "READY", "STATUS"], said
    assert (said.pid, said.fields["MAINPID"], said.fields["READY"]) == (sender, str(main), "1")


def assert_reloading(said: Said, sender: int) -> None:
    """RELOADING from `sender`, with the moment at which it began, and the time it may take: until boot_timeout."""
    assert said.names == ["RELOADING", "MONOTONIC_USEC", "EXTEND_TIMEOUT_USEC"], said
    assert said.pid == sender
    assert said.fields["EXTEND_TIMEOUT_USEC"] in (WHILE_BOOTING, "11000000")
    assert 0 <= time.monotonic_ns() // 1000 - int(said.fields["MONOTONIC_USEC"]) < 60_000_000


def assert_stopping(systemd: NotifySocket, sender: int) -> None:
    """STOPPING from `sender`, with what is left to do and the time it may take; then no more than news of that."""
    said = systemd.next()
    assert said.names == ["STOPPING", "STATUS", "EXTEND_TIMEOUT_USEC"], said
    assert (said.pid, said.fields["EXTEND_TIMEOUT_USEC"]) == (sender, "40000000")
    assert said.status == "stopping: 0 requests run, 0 connections are left"
    while (more := systemd.receive_now()) is not None:
        assert more.names == ["STATUS", "EXTEND_TIMEOUT_USEC"]


@pytest.mark.parametrize("address", ["{}/notify", "@{}"])
def test_a_life_as_systemd_hears_it(program: Program, tmp_path: Path, address: str) -> None:
    """Start, two restarts, stop: the main process alone speaks, and names the next one with READY in one datagram."""
    with NotifySocket(address.format(tmp_path)) as systemd:
        program.start(environ=systemd.environ)
        assert_main(said := systemd.next(), program.pid, program.pid)
        assert said.status == f"generation 1 serves {program.url}"
        for generation in (2, 3):
            before = program.serving_pid
            program.restart()
            assert_reloading(systemd.next(), before)
            assert_main(said := systemd.next(), before, program.settle())
            assert said.status.startswith(f"generation {generation} serves ")
            assert systemd.silent()
        assert program.stop() == 0
        assert_stopping(systemd, program.serving_pid)


BROKEN: dict[str, tuple[Any, str]] = {
    "exception": ("boots.divides", "ZeroDivisionError: division by zero"),
    "exit": (("boots.exits", 3), "exited with status 3"),
    "hang": ("boots.hangs", r"boot_timeout \(1 s\)"),
    "killed": (("boots.kills_itself", 9), "was killed by SIGKILL"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_failed_restart_ends_the_reload(program: Program, systemd: NotifySocket, name: str) -> None:
    """`systemctl reload` waits for READY: the one that serves on says it, and the status line names what failed."""
    broken, says = BROKEN[name]
    # On a busy machine a boot takes longer than a second.
    program.start(environ=systemd.environ, boot_timeout=1 if name == "hang" else 60)
    assert_main(systemd.next(), program.pid, program.pid)
    program.deploy(below=broken)
    program.hup()
    assert_reloading(systemd.next(), program.pid)
    assert_main(said := systemd.next(), program.pid, program.pid)
    assert said.status.startswith("restart failed, generation 1 serves on: ")
    assert re.search(says, said.status)
    assert systemd.silent()


def test_after_a_failed_restart_the_next_one_is_heard(program: Program, systemd: NotifySocket) -> None:
    """A mended deploy is one reload more, and no process speaks but the main one."""
    program.start(environ=systemd.environ)
    program.deploy(below="boots.divides")
    program.hup()
    program.wait_for("restart failed")
    program.deploy(below=[])
    program.restart()
    said = [systemd.next() for _ in range(5)]
    assert [one.names[0] for one in said] == ["MAINPID", "RELOADING", "MAINPID", "RELOADING", "MAINPID"]
    assert {one.pid for one in said} == {program.pid}
    assert_main(said[-1], program.pid, program.settle())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_the_successor_boots(program: Program, systemd: NotifySocket, number: signal.Signals) -> None:
    """The main process says STOPPING; the successor ends without a word."""
    program.start(environ=systemd.environ)
    assert_main(systemd.next(), program.pid, program.pid)
    program.deploy(below="boots.hangs")
    program.hup()
    assert_reloading(systemd.next(), program.pid)
    program.wait_for("hanging")
    program.send(number, program.pid)
    assert program.wait_status() == 0
    assert_stopping(systemd, program.pid)


def test_the_predecessor_is_killed_while_the_successor_boots(program: Program, systemd: NotifySocket) -> None:
    """No predecessor is left to speak for the successor: it says READY itself, with its own pid as the main process."""
    program.start(environ=systemd.environ, below="gates.until_go")
    assert_main(systemd.next(), program.pid, program.pid)
    program.hup()
    assert_reloading(systemd.next(), program.pid)
    program.wait_for("hanging")
    (successor,) = descendants(program.pid)
    assert systemd.silent()
    program.send(signal.SIGKILL, program.pid)
    program.wait_gone(program.pid)
    (program.folder / "go").touch()
    assert_main(systemd.next(), successor.pid, successor.pid)
    program.restart()
    assert_reloading(systemd.next(), successor.pid)
    assert_main(systemd.next(), successor.pid, program.settle())


def test_the_predecessor_is_killed_before_it_hears_of_ready(program: Program, systemd: NotifySocket) -> None:
    """The same in the last moment: the successor serves already, and systemd has not been told."""
    program.start(environ=systemd.environ, logger_class="tests.apps.loggers.KillsPredecessor")
    assert_main(systemd.next(), program.pid, program.pid)
    program.hup()
    successor = program.wait_generation(2)
    assert_reloading(systemd.next(), program.pid)
    assert_main(systemd.next(), successor, successor)
    assert program.status(program.pid) == -signal.SIGKILL
    assert program.get("/").headers["x-generation"] == "2"


def test_the_successor_is_lost_after_the_swap(program: Program, systemd: NotifySocket) -> None:
    """The predecessor serves again, so it is the main process again; and it can be restarted."""
    program.start(environ=systemd.environ)
    assert_main(systemd.next(), program.pid, program.pid)
    program.hup()
    program.wait_for("serves: retiring")
    successor = program.serving_pid
    program.send(signal.SIGKILL, successor)
    program.wait_for("generation 1 serves again")
    assert_reloading(systemd.next(), program.pid)
    assert_main(systemd.next(), program.pid, successor)
    assert_main(said := systemd.next(), program.pid, program.pid)
    assert "killed by SIGKILL just after it had taken over" in said.status
    program.send(signal.SIGHUP, program.pid)
    assert_reloading(systemd.next(), program.pid)
    assert_main(systemd.next(), program.pid, program.wait_generation(3))


def test_a_drain_says_how_far_it_is(program: Program, systemd: NotifySocket) -> None:
    """Once a second: what runs, what is left, and until when systemd is to wait."""
    program.start(environ=systemd.environ, graceful_timeout=20)
    assert_main(systemd.next(), program.pid, program.pid)
    with connect(program.address) as idle, connect(program.address) as busy:
        idle.sendall(request("/"))
        assert read_answer(idle).status == 200
        busy.sendall(request("/gated/answer"))
        wait_at(program, "answer")
        program.send(signal.SIGTERM, program.pid)
        assert systemd.next().names[0] == "STOPPING"
        said = systemd.next()
        # The idle one goes when its client has seen that it is closed.
        assert re.fullmatch(r"stopping: 1 request runs, (1 connection is|2 connections are) left", said.status)
        assert 20_000_000 < int(said.fields["EXTEND_TIMEOUT_USEC"]) < 30_000_000
        open_gate(program, "answer")
        assert read_answer(busy).status == 200
    assert program.wait_status() == 0


def test_an_older_generation_that_outlasts_the_server(program: Program, systemd: NotifySocket) -> None:
    """It has a long answer under way when the server stops, and asks once for the time that it may still take."""
    program.start(environ=systemd.environ, retire_timeout=50)
    with connect(program.address) as busy:
        busy.sendall(request("/gated/answer"))
        wait_at(program, "answer")
        program.restart()
        second = program.serving_pid
        program.send(signal.SIGTERM, second)
        program.wait_gone(second)
        while (said := systemd.receive()).names != [MORE_TIME] or said.fields[MORE_TIME] == WHILE_BOOTING:
            pass
        assert said.pid == program.pid
        assert 40_000_000 < int(said.fields[MORE_TIME]) < 60_000_000
        open_gate(program, "answer")
        assert read_answer(busy).status == 200
    assert program.wait_status() == 0


# --- WatchdogSec=


def test_a_watchdog_is_fed_by_the_generation_that_serves(program: Program, systemd: NotifySocket) -> None:
    """Generation 1 was asked; the main process says it, and makes the next one it without a gap."""
    asked = {"WATCHDOG_USEC": "200000"}
    program.start(environ={**systemd.environ, **asked})
    assert hear(systemd, "READY").names == ["MAINPID", "READY", "STATUS", "WATCHDOG"]
    assert [hear(systemd, "WATCHDOG").pid for _ in range(3)] == [program.pid] * 3
    program.restart()
    assert hear(systemd, "READY").names == ["MAINPID", "READY", "STATUS", "WATCHDOG"]
    program.settle()
    hear(systemd, "WATCHDOG", sender=program.serving_pid)


def test_a_watchdog_that_asks_another_process(program: Program, systemd: NotifySocket) -> None:
    """A shell's children inherit its variables: they must not say that the shell lives."""
    program.start(environ={**systemd.environ, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"})
    assert_main(systemd.next(), program.pid, program.pid)
    assert program.stop() == 0
    assert_stopping(systemd, program.pid)


def test_a_watchdog_of_the_first_generation(program: Program, systemd: NotifySocket) -> None:
    """systemd names the process that it started; generations behind it are in its place."""
    command = ["sh", "-c", 'export WATCHDOG_PID=$$; exec "$0" "$@"', program.python, str(program.script)]
    program.start(command=command, environ={**systemd.environ, "WATCHDOG_USEC": "200000"})
    program.restart()
    program.settle()
    hear(systemd, "WATCHDOG", sender=program.serving_pid)


def hear(systemd: NotifySocket, name: str, *, sender: int | None = None) -> Said:
    """The next datagram that has that field, from that process if one is given."""
    while True:
        said = systemd.next()
        if name in said.names and sender in (None, said.pid):
            return said


# --- Type=simple: the exit of the main process ends the unit


AS_MAIN_PROCESS = 'export SYSTEMD_EXEC_PID=$$; exec "$0" "$@"'


def test_the_main_process_of_a_unit_with_a_notify_socket(program: Program, systemd: NotifySocket) -> None:
    """It is restarted, as often as wanted."""
    command = ["sh", "-c", AS_MAIN_PROCESS, program.python, str(program.script)]
    program.start(command=command, environ=systemd.environ)
    program.restart()
    program.restart()
    assert program.get("/").headers["x-generation"] == "3"


def test_a_process_beside_the_main_one_is_restarted(program: Program) -> None:
    """What the unit's main process started itself may come and go."""
    program.start(environ={"SYSTEMD_EXEC_PID": "1"})
    program.restart()
    assert program.get("/").headers["x-generation"] == "2"
