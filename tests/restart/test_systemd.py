"""What systemd hears and from whom. With NotifyAccess=main, the default, it hears the unit's main process only, so
every test looks at the sender too."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import PLAIN, Program
from tests.processes import descendants
from tests.restart.notify_socket import NotifySocket, Said

GOOD = PLAIN.read_text()
IMPORT = "import hotswap\n"


def below(lines: str) -> str:
    """The good program with these lines below its `import hotswap`."""
    return GOOD.replace(IMPORT, IMPORT + lines)


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
    """RELOADING from `sender`, with the moment at which it began."""
    assert said.names == ["RELOADING", "MONOTONIC_USEC"], said
    assert said.pid == sender
    assert 0 <= time.monotonic_ns() // 1000 - int(said.fields["MONOTONIC_USEC"]) < 60_000_000


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
        assert systemd.next() == Said(program.serving_pid, {"STOPPING": "1"})
        assert systemd.silent()


BROKEN = {
    "exception": ("1 / 0\n", "ZeroDivisionError: division by zero"),
    "exit": ("import sys\nsys.exit(3)\n", "exited with status 3"),
    "hang": ("import threading\nthreading.Event().wait()\n", r"boot_timeout \(1 s\)"),
    "killed": ("os.kill(os.getpid(), 9)\n", "was killed by SIGKILL"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_failed_restart_ends_the_reload(program: Program, systemd: NotifySocket, name: str) -> None:
    """`systemctl reload` waits for READY: it comes from who serves on, and the status line names what failed."""
    lines, says = BROKEN[name]
    program.start(environ=systemd.environ, boot_timeout=1)
    assert_main(systemd.next(), program.pid, program.pid)
    program.deploy(text=below(lines))
    program.hup()
    assert_reloading(systemd.next(), program.pid)
    assert_main(said := systemd.next(), program.pid, program.pid)
    assert said.status.startswith("restart failed, generation 1 serves on: ")
    assert re.search(says, said.status)
    assert systemd.silent()


def test_after_a_failed_restart_the_next_one_is_heard(program: Program, systemd: NotifySocket) -> None:
    """A mended deploy is one reload more, and no process speaks but the main one."""
    program.start(environ=systemd.environ)
    program.deploy(text=below("1 / 0\n"))
    program.hup()
    program.wait_for("restart failed")
    program.deploy(text=GOOD)
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
    program.deploy(text=below("print('hanging', flush=True)\nimport threading\nthreading.Event().wait()\n"))
    program.hup()
    assert_reloading(systemd.next(), program.pid)
    program.wait_for("hanging")
    program.send(number, program.pid)
    assert systemd.next() == Said(program.pid, {"STOPPING": "1"})
    assert program.wait_status() == 0
    assert systemd.silent()


WAITS = below(
    "import select\n"
    "if hotswap.generation > 1:\n"
    "    print('waiting', flush=True)\n"
    "    while not os.path.exists('go'):\n"
    "        select.select([], [], [], 0.01)\n"
)


def test_the_predecessor_is_killed_while_the_successor_boots(program: Program, systemd: NotifySocket) -> None:
    """Nobody is left to speak for the successor: it says READY itself, with its own pid as the main process."""
    program.start(environ=systemd.environ, text=WAITS)
    assert_main(systemd.next(), program.pid, program.pid)
    program.hup()
    assert_reloading(systemd.next(), program.pid)
    program.wait_for("waiting")
    (successor,) = descendants(program.pid)
    assert systemd.silent()
    program.send(signal.SIGKILL, program.pid)
    program.wait_gone(program.pid)
    (program.folder / "go").touch()
    assert_main(systemd.next(), successor.pid, successor.pid)
    program.restart()
    assert_reloading(systemd.next(), successor.pid)
    assert_main(systemd.next(), successor.pid, program.settle())


KILLS = below("""
import gunicorn.glogging
class Killing(gunicorn.glogging.Logger):
    def info(self, message, *words):
        super().info(message, *words)
        if hotswap.generation == 2 and "serving at" in message:
            os.kill(predecessor, 9)
            while os.getppid() == predecessor:
                pass
predecessor = os.getppid()
""").replace("**SETTINGS", "logger_class=Killing")


def test_the_predecessor_is_killed_before_it_hears_of_ready(program: Program, systemd: NotifySocket) -> None:
    """The same in the last moment: the successor serves already, and nobody has said so."""
    program.start(environ=systemd.environ, text=KILLS)
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


# --- Type=simple: the exit of the main process ends the unit


AS_MAIN_PROCESS = 'export SYSTEMD_EXEC_PID=$$; exec "$0" "$@"'


def test_the_main_process_of_a_unit_without_a_notify_socket(program: Program) -> None:
    """A restart is refused with its remedy, and the server serves on."""
    program.start(command=["sh", "-c", AS_MAIN_PROCESS, program.python, str(program.script)])
    program.hup()
    program.wait_for(r"restart failed, generation 1 serves on: restart refused: .* without a notify socket")
    program.wait_for("set Type=notify")
    assert program.get("/pid").body == str(program.pid).encode()


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
