"""A bad deploy changes nothing: what serves afterwards, what is said about it, and that the next one works."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.eventually import eventually
from tests.harness import Program
from tests.processes import descendants

#: A deploy that works.
GOOD: dict[str, Any] = {"app": "plain", "above": [], "below": [], "address": "127.0.0.1:0", "check": ""}
#: Deploys that cannot work, and what must be said about each.
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "syntax error in the main script": ({"text": "def broken(:\n"}, "SyntaxError"),
    "import error above hotswap": ({"above": ("boots.imports", "not_there_1")}, "No module named 'not_there_1'"),
    "import error below hotswap": ({"below": ("boots.imports", "not_there_2")}, "not_there_2"),
    "exception in the factory": ({"text": "import hotswap\nhotswap.serve(1 / 0)\n"}, "ZeroDivisionError"),
    "a long message": ({"below": ("boots.raises", "é", 16000)}, "é is the end"),
    "sys.exit at import": ({"below": ("boots.exits", 3)}, "exited with status 3"),
    "kill -9 of itself": ({"below": ("boots.kills_itself", 9)}, "was killed by SIGKILL"),
    "a signal without a name": ({"below": ("boots.kills_itself", 36)}, "was killed by signal 36"),
    "hang at import": ({"below": "boots.hangs"}, "boot_timeout (6 s)"),
    "address that cannot be bound": ({"address": ["127.0.0.1:0", "203.0.113.1:1"]}, "203.0.113.1"),
    "unknown setting": ({"text": "import hotswap\nhotswap.serve(print, no_such_setting=1)\n"}, "no_such_setting"),
    "failing check": ({"check": "/fail/x"}, "check of /fail/x failed"),
    "callback that raises": ({"below": ("faults.fails_at", "begin")}, "no database"),
}


def boot_timeout(name: str) -> int:
    """Short where the deploy is to run into it; else a busy machine may take its time."""
    return 6 if "hang" in name else 60


@pytest.mark.parametrize("name", BROKEN)
def test_the_running_version_serves_on(program: Program, name: str) -> None:
    """The old version answers, the log and the command name the reason, and a mended deploy is taken."""
    broken, says = BROKEN[name]
    program.start(boot_timeout=boot_timeout(name))
    program.deploy(**broken, version="broken")
    command = restart(program)
    assert command.returncode == 1, command.stdout
    assert says in command.stdout + command.stderr
    assert says in program.text()
    assert program.get("/version").body == b"1"
    assert program.serving_pid == program.pid
    program.deploy(**GOOD, version="2")
    command = restart(program)
    assert command.returncode == 0, command.stdout + command.stderr
    # A failed attempt uses no generation number.
    assert program.serving_generation == 2
    assert str(program.serving_pid) in command.stdout
    eventually(lambda: program.get("/version").body == b"2", "the mended version serves")
    program.settle()
    assert program.stop() == 0


def restart(program: Program) -> subprocess.CompletedProcess[str]:
    """`hotswap restart PID`, as an operator runs it."""
    return subprocess.run(
        [sys.executable, "-m", "hotswap", "restart", str(program.serving_pid)],
        capture_output=True,
        text=True,
        timeout=40,
        env=program.environment({}),
        cwd=program.folder,
    )


def booting(program: Program) -> int:
    """The pid of the successor that hangs in its boot."""
    program.wait_for("hanging")
    (child,) = descendants(program.pid)
    return child.pid


def test_kill_9_of_the_booting_successor(program: Program) -> None:
    """The predecessor says so and serves on."""
    program.start()
    program.deploy(below="boots.hangs")
    program.hup()
    program.send(signal.SIGKILL, booting(program))
    program.wait_for(r"restart failed.*\n?.*killed by SIGKILL")
    program.deploy(**GOOD, version="2")
    program.restart()
    assert program.get("/version").body == b"2"


def test_kill_9_of_the_predecessor_while_the_successor_boots(program: Program) -> None:
    """The successor carries on, serves on the same listener, and signals no process."""
    program.start(below="gates.until_go")
    program.hup()
    successor = booting(program)
    program.send(signal.SIGKILL, program.pid)
    program.wait_gone(program.pid)
    (program.folder / "go").touch()
    assert program.wait_generation(2) == successor
    assert program.get("/").status == 200
    program.restart()
    program.settle()
    assert program.stop() == 0


def test_kill_9_of_the_predecessor_before_the_import(program: Program) -> None:
    """The same, with the program still above `import hotswap`: what it printed meanwhile is not lost."""
    program.start(above="early.until_go")
    program.hup()
    successor = booting(program)
    program.send(signal.SIGKILL, program.pid)
    program.wait_gone(program.pid)
    (program.folder / "go").touch()
    assert program.wait_generation(2) == successor
    program.wait_for("printed to nobody")
    assert program.get("/").status == 200


@pytest.mark.parametrize("count", [2, 20])
def test_hups_in_a_row(program: Program, count: int) -> None:
    """One restart at a time; those that came meanwhile make one more, and then it is quiet."""
    program.start()
    for _ in range(count):
        program.send(signal.SIGHUP, program.pid)
    program.wait_generation(2)
    program.settle()
    assert program.get("/").status == 200
    assert 2 <= program.serving_generation <= 3
    following = program.restart()
    assert program.get("/").status == 200
    assert program.serving_generation == following


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_stop_while_the_successor_boots(program: Program, number: signal.Signals) -> None:
    """Both are stopped, and no process is left on the port."""
    program.start()
    program.deploy(below="boots.hangs")
    program.hup()
    successor = booting(program)
    program.send(number, program.pid)
    program.wait_gone(program.pid, successor)
    assert program.status(program.pid) == 0


def test_hup_to_the_booting_successor(program: Program) -> None:
    """`pkill -HUP` reaches it too: it is not killed, and makes one more restart when it serves."""
    program.start(below=("gates.until_go", 2))
    program.hup()
    successor = booting(program)
    program.send(signal.SIGHUP, program.pid)
    program.send(signal.SIGHUP, successor)
    (program.folder / "go").touch()
    program.wait_generation(3)
    program.settle()
    assert program.serving_generation == 3


def test_the_script_is_deleted(program: Program) -> None:
    """The interpreter's own words are shown, and the next good deploy works."""
    program.start()
    program.script.unlink()
    command = restart(program)
    assert command.returncode == 1
    assert "No such file or directory" in command.stdout + command.stderr
    assert program.get("/version").body == b"1"
    program.deploy(version="2")
    assert restart(program).returncode == 0
    program.settle()
    assert program.stop() == 0


def test_hang_says_where(program: Program) -> None:
    """A boot that hangs is shown with its stack."""
    program.start(boot_timeout=boot_timeout("hang"))
    program.deploy(below="boots.hangs")
    command = restart(program)
    assert command.returncode == 1
    assert "where it hung" in command.stdout + command.stderr
    assert "threading" in command.stdout + command.stderr
