"""A bad deploy changes nothing: who serves afterwards, what is said about it, and that the next one works."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.eventually import eventually
from tests.harness import PLAIN, Program
from tests.processes import descendants

GOOD = PLAIN.read_text()
IMPORT = "import hotswap\n"


def above(lines: str) -> str:
    """The good program with these lines above its `import hotswap`."""
    return GOOD.replace(IMPORT, lines + IMPORT)


def below(lines: str) -> str:
    """The good program with these lines below its `import hotswap`."""
    return GOOD.replace(IMPORT, IMPORT + lines)


@dataclass(frozen=True)
class Broken:
    """A deploy that cannot work: its text, and what must be said about it."""

    text: str
    says: str


BROKEN = {
    "syntax error in the main script": Broken("def broken(:\n", "SyntaxError"),
    "import error above hotswap": Broken(above("import not_there_1\n"), "No module named 'not_there_1'"),
    "import error below hotswap": Broken(below("import not_there_2\n"), "not_there_2"),
    "exception in the factory": Broken(GOOD.replace("hotswap.serve(app,", "hotswap.serve(1 / 0,"), "ZeroDivisionError"),
    "sys.exit at import": Broken(below("import sys\nsys.exit(3)\n"), "exited with status 3"),
    "kill -9 of itself": Broken(
        below("os.kill(os.getpid(), 9)\n"), "was killed by SIGKILL"
    ),
    "a signal without a name": Broken(
        below("os.kill(os.getpid(), 36)\n"), "was killed by signal 36"
    ),
    "hang at import": Broken(
        below("import threading\nthreading.Event().wait()\n"), "boot_timeout (3 s)"
    ),
    "address that cannot be bound": Broken(GOOD.replace("ADDRESS,", "[ADDRESS, '203.0.113.1:1'],"), "203.0.113.1"),
    "unknown setting": Broken(GOOD.replace("**SETTINGS", "no_such_setting=1"), "no_such_setting"),
    "failing check": Broken(GOOD.replace("**SETTINGS", "check='/fail/x'"), "check of /fail/x failed"),
    "arguments parsed before the import": Broken(
        above("import argparse\nargparse.ArgumentParser().parse_args()\n"), "move `import hotswap` above"
    ),
    "callback that raises": Broken(
        below("@hotswap.on('begin')\ndef begin(address): raise OSError('begin')\n"), "begin"
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_running_version_serves_on(program: Program, name: str) -> None:
    """The old version answers, the log and the command name the reason, and a mended deploy is taken."""
    broken = BROKEN[name]
    program.start(boot_timeout=3)
    program.deploy(text=broken.text, version="broken")
    command = restart(program)
    assert command.returncode == 1, command.stdout
    assert broken.says in command.stdout + command.stderr
    assert broken.says in program.text()
    assert program.get("/version").body == b"1"
    assert program.serving_pid == program.pid
    program.deploy(text=GOOD, version="2")
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


HANGS = below("print('hanging', flush=True)\nimport threading\nthreading.Event().wait()\n")


def booting(program: Program) -> int:
    """The pid of the successor that hangs in its boot."""
    program.wait_for("hanging")
    (child,) = descendants(program.pid)
    return child.pid


def test_kill_9_of_the_booting_successor(program: Program) -> None:
    """The predecessor says so and serves on."""
    program.start()
    program.deploy(text=HANGS)
    program.hup()
    program.send(signal.SIGKILL, booting(program))
    program.wait_for(r"restart failed.*\n?.*killed by SIGKILL")
    program.deploy(text=GOOD, version="2")
    program.restart()
    assert program.get("/version").body == b"2"


def test_kill_9_of_the_predecessor_while_the_successor_boots(program: Program) -> None:
    """The successor carries on, serves on the same listener, and signals nobody."""
    waits = GOOD.replace(
        IMPORT, IMPORT + "import select, sys\nif hotswap.generation > 1:\n    print('hanging', flush=True)\n"
        "    while not os.path.exists('go'):\n        select.select([], [], [], 0.01)\n"
    )
    program.start(text=waits)
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
    lines = (
        "import os, select, sys\nif '--graceful' in sys.argv:\n    print('hanging', flush=True)\n"
        "    while not os.path.exists('go'):\n        select.select([], [], [], 0.01)\n"
        "    print('printed to nobody', file=sys.stderr, flush=True)\n"
    )
    program.start(text=above(lines))
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
    """Both are stopped, and nobody is left on the port."""
    program.start()
    program.deploy(text=HANGS)
    program.hup()
    successor = booting(program)
    program.send(number, program.pid)
    program.wait_gone(program.pid, successor)
    assert program.status(program.pid) == 0


def test_hup_to_the_booting_successor(program: Program) -> None:
    """`pkill -HUP` reaches it too: it is not killed, and makes one more restart when it serves."""
    waits = GOOD.replace(
        IMPORT, IMPORT + "import select, sys\nif hotswap.generation == 2:\n    print('hanging', flush=True)\n"
        "    while not os.path.exists('go'):\n        select.select([], [], [], 0.01)\n"
    )
    program.start(text=waits)
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
    program.start(boot_timeout=2)
    program.deploy(text=HANGS)
    command = restart(program)
    assert command.returncode == 1
    assert "where it hung" in command.stdout + command.stderr
    assert "threading" in command.stdout + command.stderr
