"""`hotswap run --daemon`: the command ends when the server serves, or says why there is none."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import APPS, Program
from tests.processes import ProcessTree, descendants, descriptors, look


@pytest.fixture
def taken() -> socket.socket:
    """A listener of another program."""
    return socket.create_server(("127.0.0.1", 0))


def run(program: Program, *words: str) -> subprocess.CompletedProcess[str]:
    """`hotswap run --daemon app:app`, until no process has its output any more."""
    return hotswap(program, "run", "--daemon", "app:app", "-b", "127.0.0.1:0", "-p", "app.pid", *words)


def must_end(tree: ProcessTree) -> None:
    """None of them runs any more; the test is the parent of the daemons that have ended."""
    eventually(lambda: not [process for process in tree.left() if not process.zombie], "processes are left")


def assert_failed(
    program: Program, tree: ProcessTree, done: subprocess.CompletedProcess[str], status: int, said: str
) -> None:
    """It says so, and leaves neither processes nor files."""
    assert said in done.stderr
    assert done.returncode == status
    must_end(tree)
    assert not (program.folder / "app.pid").exists()
    assert not list((program.folder / "run").rglob("*.board"))


def test_a_module_that_is_not_there(program: Program, process_tree: ProcessTree) -> None:
    """The sentence of a start in the foreground."""
    done = hotswap(program, "run", "--daemon", "nothing:app", "-p", "app.pid")
    assert_failed(program, process_tree, done, 1, "hotswap run: cannot load the application nothing:app (no module n")
    assert "Traceback" not in done.stderr


def test_a_port_in_use(program: Program, process_tree: ProcessTree, taken: socket.socket) -> None:
    """And by which process."""
    program.deploy()
    with taken:
        port = taken.getsockname()[1]
        done = run(program, "-b", f"127.0.0.1:{port}")
    assert_failed(program, process_tree, done, 1, f"hotswap run: cannot bind 127.0.0.1:{port} (address in use by pid ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--error-logfile", "not/there.log"], "hotswap run: cannot open the log ("),
        (["--check", "/fail/here"], "hotswap run: "),
        (["-p", "not/there.pid"], "hotswap run: "),
        (["--threads", "many"], "hotswap run: error: argument --threads: invalid int value: 'many'"),
        (["--env-file", "not.env"], "not.env"),
    ],
)
def test_what_a_setting_asks_for_cannot_be_had(
    program: Program, process_tree: ProcessTree, words: Sequence[str], said: str
) -> None:
    """A log, a check that is answered badly, a pid file's directory, a setting, a file."""
    program.deploy()
    done = run(program, *words)
    assert done.returncode in (1, 2)
    assert_failed(program, process_tree, done, done.returncode, said)


@pytest.mark.parametrize("workers", [(), ("-w", "1", "--no-preload")])
def test_an_application_that_cannot_be_loaded(
    program: Program, process_tree: ProcessTree, workers: Sequence[str]
) -> None:
    """In the server process or in a worker: its traceback is at the terminal."""
    program.deploy(text="raise OSError('no database')\n")
    done = run(program, *workers)
    assert_failed(program, process_tree, done, 1, "OSError: no database")
    assert 'app.py", line 1' in done.stderr


@pytest.mark.parametrize(
    ("step", "status", "said"),
    [
        (("daemons.explains_and_exits", 3), 3, "DATABASE_URL is missing\n"),
        (
            ("daemons.explains_and_exits", 0),
            1,
            "hotswap run: the server has ended before it was ready, with exit status 0",
        ),
        ("daemons.is_killed", 137, "hotswap run: the server was killed by SIGKILL before it was ready"),
    ],
)
def test_an_application_that_ends(
    program: Program, process_tree: ProcessTree, step: object, status: int, said: str
) -> None:
    """What it prints is at the terminal, and its status is the command's, but for one that would say that it serves."""
    program.deploy(below=step)
    assert_failed(program, process_tree, run(program), status, said)


def test_a_server(program: Program) -> None:
    """The command ends; the server is a process of its own that has nothing of the terminal, in the directory of the
    start. A SIGHUP is a deploy."""
    program.start(
        "-p",
        "app.pid",
        "--error-logfile",
        str(program.log),
        command=[program.python, "-m", "hotswap", "run", "-D", "app:app", "-b", "127.0.0.1:0"],
        ready=False,
    )
    assert program.wait_status() == 0
    # Before the command has ended, which is when systemd reads it (Type=forking, systemd.service(5)).
    pid = int((program.folder / "app.pid").read_text())
    assert pid == program.serving_pid != program.pid
    assert os.readlink(f"/proc/{pid}/cwd") == str(program.folder)
    process = look(pid)
    assert process is not None
    assert process.session not in (pid, os.getsid(0))
    eventually(lambda: look(process.session) is None, "the leader of its session is left")
    assert [descriptors(pid)[fd] for fd in range(3)] == ["/dev/null"] * 3
    assert [fd for fd, link in descriptors(pid).items() if fd > 2 and link.startswith("/dev/pts")] == []
    program.restart()
    assert program.get("/").headers["x-generation"] == "2"
    assert program.settle() != pid
    assert program.stop() == 0
    assert not (program.folder / "app.pid").exists()


@pytest.mark.parametrize("workers", [(), ("-w", "1"), ("-w", "1", "--no-preload")])
def test_no_process_keeps_the_terminal(program: Program, workers: Sequence[str]) -> None:
    """ssh HOST hotswap run --daemon ends only when all that have its output have let it go: children that the
    application forks, and workers, too. What was printed while it booted is there, what came later is not."""
    program.deploy(below=["daemons.prints_when_ready", ("forks.at", "import")])
    done = run(program, *workers)
    assert done.returncode == 0
    assert " serving at http://127.0.0.1:" in done.stderr
    assert ("booting err" in done.stderr) is ("--no-preload" not in workers)
    assert "serving err" not in done.stderr
    assert done.stdout == ""
    assert hotswap(program, "stop", "app.pid").returncode == 0


def test_streams_that_were_redirected(program: Program) -> None:
    """With enable_stdio_inheritance they are kept, and each line is in them once."""
    program.start(
        command=[program.python, "-m", "hotswap", "run", "-D", "-R", "app:app", "-b", "127.0.0.1:0", "-p", "app.pid"],
        below="daemons.prints_when_ready",
    )
    assert program.wait_status() == 0
    program.wait_for("serving err")
    for line in ("booting out", "booting err", " serving at ", "serving out", "serving err"):
        assert program.text().count(line) == 1


def test_a_socket_of_systemd(program: Program) -> None:
    """LISTEN_PID names the command that systemd has started: the daemon is meant."""
    run = [program.python, "-m", "hotswap", "run", "-D", "-R", "app:app", "-p", "app.pid"]
    program.start(command=[program.python, str(APPS / "activates.py"), *run])
    assert program.wait_status() == 0
    assert program.port == int(program.wait_for(r"socket at port (\d+)\.")[1])
    assert program.get("/").status == 200


def start_at_gate(program: Program, *steps: object) -> int:
    """Start it so far that it imports the application, and wait there; returns the daemon's pid."""
    program.start(
        command=[program.python, "-m", "hotswap", "run", "-D", "-R", "app:app", "-b", "127.0.0.1:0", "-p", "app.pid"],
        below=[*steps, ("early.gate", "import")],
        ready=False,
    )
    program.wait_for("at gate import")
    _leader, daemon = descendants(program.pid)
    return daemon.pid


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9), (signal.SIGHUP, -1)])
def test_the_command_is_ended(program: Program, process_tree: ProcessTree, number: signal.Signals, status: int) -> None:
    """Ctrl-C, kill -9, or the terminal was closed: no server comes up behind the user's back."""
    start_at_gate(program)
    program.send(number, program.pid)
    assert program.wait_status() == status
    must_end(process_tree)


def test_the_daemon_is_killed(program: Program, process_tree: ProcessTree) -> None:
    """The command says what became of it."""
    program.send(signal.SIGKILL, start_at_gate(program))
    assert program.wait_status() == 137
    assert "hotswap run: the server was killed by SIGKILL before it was ready\n" in program.text()
    must_end(process_tree)


def test_an_application_that_swallows_the_signal(program: Program, process_tree: ProcessTree) -> None:
    """Its server stops when it can: no process waits for it any more."""
    daemon = start_at_gate(program, "daemons.swallows_sigterm")
    program.send(signal.SIGKILL, program.pid)
    program.wait_for("swallowed")
    assert Path(f"/proc/{daemon}").exists()
    (program.folder / "import").touch()
    must_end(process_tree)
    assert not (program.folder / "app.pid").exists()
