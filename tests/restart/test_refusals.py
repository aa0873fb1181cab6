"""Where the exit of a process would end the server, or it cannot be started again: no restart, and it serves on."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Sequence

import pytest

from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import Program
from tests.processes import descendants

NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc"]


@pytest.fixture
def namespace() -> list[str]:
    """A command that runs another as pid 1 of a namespace of its own, as a container does."""
    for options in ([], ["--user", "--map-root-user"]):
        command = [*NAMESPACE, *options]
        probe = subprocess.run([*command, "true"], capture_output=True, text=True, timeout=20)
        if probe.returncode == 0:
            return command
    pytest.skip(f"no pid namespaces here: {probe.stderr.strip()}")


def assert_refused(program: Program, sentence: str, pid: int | None = None) -> None:
    """A HUP and `hotswap restart` are both answered with the sentence, and the server answers as before.

    `pid` is the server's, if not what it says itself: in a namespace of its own it does not know it.
    """
    server = pid or program.serving_pid
    mark = program.mark()
    os.kill(server, signal.SIGHUP)
    program.wait_for("restart failed, generation 1 serves on: restart refused: ", since=mark)
    assert sentence in program.text()[mark:]
    command = hotswap(program, "restart", str(server))
    assert command.returncode == 1
    assert f"restart refused: {sentence}" in command.stderr
    assert f"; generation 1 (pid {server}) serves" in command.stderr
    assert program.get("/").headers["x-generation"] == "1"
    os.kill(server, signal.SIGTERM)
    program.wait_status()


def innermost(program: Program) -> int:
    """The pid, as seen from here, of the process that all the others were started for."""
    return descendants(program.pid)[-1].pid


def test_the_child_of_an_init(program: Program, namespace: Sequence[str]) -> None:
    """An init goes on when one of its children has gone: generation after generation is served."""
    init = program.folder / "init"
    init.symlink_to("/bin/sh")
    shell = [str(init), "-c", '"$0" "$@" & sleep 60 & wait']
    program.start(command=[*namespace, *shell, program.python, str(program.script)])
    os.kill(server_in(program), signal.SIGHUP)
    program.wait_for(r"gen=1 pid=\d+ retired")
    assert program.get("/").headers["x-generation"] == "2"
    # It is the child of pid 1 by adoption, which means nothing.
    os.kill(server_in(program), signal.SIGHUP)
    program.wait_generation(3)
    program.wait_for("generation 3 .* serves: retiring")
    assert program.get("/").headers["x-generation"] == "3"


def server_in(program: Program) -> int:
    """The pid, as seen from here, of the one process that has a listener: a socket at descriptor 3."""
    return eventually(lambda: only(process.pid for process in descendants(program.pid) if serves(process.pid)))


def serves(pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/fd/3").startswith("socket:")
    except FileNotFoundError:
        return False


def only(pids: Iterable[int]) -> int | None:
    """The one that there is; None if there are more or less."""
    found = list(pids)
    return found[0] if len(found) == 1 else None


#: Runs a command as the leader of a session with a terminal of its own, and copies what it prints.
IN_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


def test_the_leader_of_a_session_without_a_terminal(program: Program) -> None:
    """What setsid(1) or a daemon's parent has made is restarted."""
    program.start(command=["setsid", program.python, str(program.script)])
    assert os.getsid(program.pid) == program.pid
    program.restart()
    assert program.get("/").headers["x-generation"] == "2"


@pytest.mark.parametrize("options", ["", "-", "-u", "-X utf8 -W error - --mine", "-Xutf8 -Ou"])
def test_standard_input(program: Program, options: str) -> None:
    """The program has been read, and cannot be read again."""
    program.start(command=["sh", "-c", f'exec "$0" {options} < "$1"', program.python, str(program.script)])
    assert_refused(program, "a program read from standard input cannot be started again: put it into a file")


RUN = "__import__('runpy').run_path('app.py', run_name='__main__')"
INTERACTIVE = "an interactive interpreter cannot be started again: put the program into a file"


def test_an_interpreter_that_stays(program: Program) -> None:
    """`python -i app.py` would ask for commands after serve(), and so would its successor."""
    program.start(command=[program.python, "-i", str(program.script)])
    assert_refused(program, INTERACTIVE)


def test_an_interactive_interpreter(program: Program) -> None:
    """serve() typed at the prompt."""
    typed = f'echo "_ = {RUN}; exit()" | "$0" -c "{IN_TERMINAL}" "$0"'
    program.start(command=["sh", "-c", typed, program.python])
    assert_refused(program, INTERACTIVE)
