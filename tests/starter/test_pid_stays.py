"""Where a process waits for the server's pid, the pid stays: SIGHUP and SIGTERM reach the server by it ever after."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.commanding import hotswap
from tests.harness import Program
from tests.processes import descendants, descriptors
from tests.restart.gates import open_gate, wait_at
from tests.restart.test_refusals import IN_TERMINAL, innermost, namespace

__all__ = ["namespace"]

STANDS = "its process is the starter now"


AS_MAIN_PROCESS = ["sh", "-c", 'export SYSTEMD_EXEC_PID=$$; exec "$0" "$@"']


class Place(NamedTuple):
    """Where a program is started: `wrap(python, script)` is the command; `why` is what the log says."""

    wrap: Callable[[str, str], Sequence[str]]
    why: str
    environ: dict[str, str] = {}  # noqa: RUF012  never changed


PLACES = {
    "supervisord": Place(lambda *words: words, "supervisord waits", {"SUPERVISOR_ENABLED": "1"}),
    "unit": Place(lambda *words: [*AS_MAIN_PROCESS, *words], "systemd waits"),
    "terminal": Place(lambda *words: [sys.executable, "-c", IN_TERMINAL, *words], "leads the session of a terminal"),
}


def assert_stays(program: Program, pid: int) -> None:
    """Two restarts and a stop, by the one pid that the supervisor knows."""
    os.kill(pid, signal.SIGHUP)
    program.wait_generation(2)
    program.wait_for(STANDS)
    os.kill(pid, signal.SIGHUP)
    program.wait_generation(3)
    program.wait_for("gen=2 .* retired")
    assert program.get("/").headers["x-generation"] == "3"
    assert pid in {process.pid for process in descendants(os.getpid())}
    os.kill(pid, signal.SIGTERM)
    assert program.wait_status() == 0
    assert descendants(program.pid) == []


@pytest.mark.parametrize("name", PLACES)
def test_serve(program: Program, name: str) -> None:
    """The process becomes the starter when it has retired."""
    place = PLACES[name]
    program.start(command=place.wrap(program.python, str(program.script)), environ=place.environ)
    program.wait_for(f"the pid stays at a restart, for .*{place.why}")
    assert_stays(program, program.pid if name != "terminal" else innermost(program))


def test_pid_1(program: Program, namespace: Sequence[str]) -> None:
    """As a container has it."""
    program.start(command=[*namespace, program.python, str(program.script)])
    assert program.serving_pid == 1
    program.wait_for("the pid stays at a restart, for this process is pid 1")
    assert_stays(program, innermost(program))


def test_the_child_of_a_pid_1_that_is_no_init(program: Program, namespace: Sequence[str]) -> None:
    """An entrypoint without exec ends with the process it has started, and the container with it."""
    # With something to do after it: a shell executes its last command in its own place.
    shell = ["sh", "-c", '"$0" "$@"; exit $?']
    program.start(command=[*namespace, *shell, program.python, str(program.script)])
    program.wait_for(r"the pid stays at a restart, for sh \(pid 1\) waits for this process")
    assert_stays(program, innermost(program))


def run(program: Program, *words: str) -> list[str]:
    """`hotswap run` of the program's folder, behind a starter from the beginning."""
    options = ["-b", "127.0.0.1:0", "--stable-pid", "on", *words]
    return [program.python, "-m", "hotswap", "run", "app:app", *options]


def test_hotswap_run(program: Program) -> None:
    """The starter is there from the beginning, with the pid of the command."""
    program.start(command=run(program))
    assert program.serving_pid != program.pid
    program.send(signal.SIGHUP, program.pid)
    program.wait_generation(2)
    program.wait_for("gen=1 .* retired")
    assert program.get("/").headers["x-generation"] == "2"
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0
    assert program.alive() == []


def test_the_pid_file_names_it(program: Program) -> None:
    """From the first moment to the last; commands know the server by it."""
    path = program.folder / "pid"
    program.start(command=run(program, "-p", str(path)))
    for generation in (2, 3):
        command = hotswap(program, "restart", str(path))
        assert command.returncode == 0, command.stderr
        program.wait_for(f"gen={generation - 1} .* retired")
        assert path.read_text() == f"{program.pid}\n"
    command = hotswap(program, "stop", str(program.pid))
    assert command.returncode == 0, command.stderr
    assert program.wait_status() == 0
    assert not path.exists()


def test_the_listener_has_its_number(program: Program) -> None:
    """Descriptor 3, as without a starter: what is for the starter takes another one."""
    program.start(stable_pid="on")
    inode = descriptors(program.pid)[3].removeprefix("socket:[").removesuffix("]")
    listening = [line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines() if " 0A " in line]
    assert inode in listening


@pytest.mark.parametrize("kind", ["None", "full"])
def test_what_is_printed_goes_nowhere(program: Program, kind: str) -> None:
    """There is no standard output, or a terminal that is gone takes no more: the process becomes the starter all the
    same."""
    program.start(below=("sayings.nowhere", kind), stable_pid="on")
    program.hup()
    program.wait_for(STANDS)
    assert program.get("/").headers["x-generation"] == "2"


def test_off(program: Program) -> None:
    """The plain way, wherever it is."""
    program.start(environ={"SUPERVISOR_ENABLED": "1"}, stable_pid="off")
    program.restart()
    assert program.settle() != program.pid
    assert program.wait_status() == 0


def test_a_hup_that_reaches_both_is_one(program: Program) -> None:
    """`pkill -HUP -f app` means one restart."""
    program.start(command=run(program))
    for pid in (program.pid, program.serving_pid):
        program.send(signal.SIGHUP, pid)
    program.wait_generation(2)
    program.wait_for("gen=1 .* retired")
    assert program.generations().keys() == {1, 2}


def test_two_hups_are_two(program: Program) -> None:
    """Between them another release may have been deployed."""
    program.start(command=run(program))
    program.send(signal.SIGHUP, program.pid)
    program.wait_for("starting generation 2")
    program.send(signal.SIGHUP, program.pid)
    program.wait_generation(3)


def test_a_hup_right_after_one_that_was_remembered(program: Program) -> None:
    """The remembered one is passed on when the boot is over, as a signal: the next deploy's is no echo of it."""
    program.start(command=run(program), below="gates.importing")
    program.send(signal.SIGHUP, program.pid)
    wait_at(program, "import of 2")
    program.send(signal.SIGHUP, program.pid)
    program.wait_for("one more restart follows")
    open_gate(program, "import of 2")
    program.wait_for("starting generation 3")
    program.send(signal.SIGHUP, program.pid)
    open_gate(program, "import of 3")
    wait_at(program, "import of 4")


def test_ctrl_c_reaches_both_and_cuts_nothing(program: Program) -> None:
    """A terminal signals the whole group."""
    program.start(command=run(program))
    for pid in (program.pid, program.serving_pid):
        program.send(signal.SIGINT, pid)
    assert program.wait_status() == 0
    assert "ending what still runs" not in program.text()


def test_a_deploy_may_change_the_address(program: Program) -> None:
    """What a deploy has dropped is dropped by the starter, too."""
    first, second = program.folder / "first", program.folder / "second"
    program.start(address=f"unix:{first}", stable_pid="on")
    program.deploy(address=f"unix:{second}")
    program.restart()
    program.wait_for(STANDS)
    assert second.exists()
    assert not first.exists()
    pid = program.serving_pid
    program.send(signal.SIGKILL, pid)
    program.wait_generation(3)
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0
    assert not second.exists()


def test_it_is_small(program: Program) -> None:
    """At most 4 MiB above a bare interpreter."""
    bare = rss_of([program.python, "-I", "-S", "-c", "import sys; print(flush=True); sys.stdin.read()"])
    program.start(command=run(program))
    assert rss(program.pid) - bare <= 4 * 1024


def rss_of(command: Sequence[str]) -> int:
    """The resident memory (KiB) of an interpreter that waits."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        return rss(process.pid)


def rss(pid: int) -> int:
    """The resident memory of a process (KiB, proc(5))."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
