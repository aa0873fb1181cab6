"""The harness itself, against a stand-in: what it says about processes, deploys and logs is true."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.harness import ROOT, Program
from tests.processes import Brood, alive, descriptors
from tests.traffic import Traffic

STANDIN = (ROOT / "tests" / "apps" / "standin.py").read_text()


@pytest.fixture
def standin(program: Program) -> Program:
    """A stand-in that has not been started yet."""
    program.deploy(text=STANDIN)
    return program


def test_start_deploy_restart_stop(standin: Program) -> None:
    """A life of three generations, as the harness sees it."""
    standin.start()
    assert (standin.serving_generation, standin.serving_pid) == (1, standin.pid)
    assert standin.get("/version").body == b"1"
    for number in (2, 3):
        standin.deploy(version=str(number))
        assert standin.restart() == number
        standin.wait_gone(standin.generations()[number - 1])
        assert standin.get("/version").body == str(number).encode()
    assert list(standin.generations()) == [1, 2, 3]
    assert standin.pids() == list(standin.generations().values())
    assert standin.alive() == [standin.serving_pid]
    assert standin.status(standin.pid) == 0
    assert standin.stop() == 0
    assert standin.alive() == []


def test_exit_statuses_of_orphans_are_known(standin: Program) -> None:
    """A generation whose parent has gone is a child of the tests, so that its end can be looked at."""
    standin.start()
    standin.restart()
    standin.wait_gone(standin.pid)
    assert standin.stop(signal.SIGKILL) == -signal.SIGKILL


def test_waiting_for_a_process_that_has_died_ends_at_once(standin: Program) -> None:
    """A program that breaks at boot is not waited for until the deadline."""
    with pytest.raises(AssertionError, match="no process is left"):
        standin.start("--broken")
    assert "this program is broken" in standin.text()
    assert standin.wait_status() == 1


def test_a_wait_has_a_deadline(standin: Program) -> None:
    """What never comes is an error that says what was waited for."""
    standin.start()
    with pytest.raises(AssertionError, match="no 'never' in the log"):
        standin.wait_for("never", deadline=0.2)
    with pytest.raises(AssertionError, match=r"not within 0\.1 s: a reason"):
        eventually(lambda: None, "a reason", deadline=0.1)


def test_a_mark_hides_what_was_said_before(standin: Program) -> None:
    """Waiting since a mark finds only what is written after it."""
    standin.start()
    mark = standin.mark()
    with pytest.raises(AssertionError):
        standin.wait_for("serving at", since=mark, deadline=0.1)
    standin.restart()
    assert standin.wait_for("serving at", since=mark).start() > mark


def test_processes_of_others_are_not_signalled(standin: Program) -> None:
    """A pid that stands in the log by accident is not that of a process to signal."""
    standin.start()
    with pytest.raises(AssertionError, match="no process of this program"):
        standin.send(signal.SIGTERM, os.getppid())


def test_the_brood_ends_with_the_test(tmp_path: Path) -> None:
    """Children, and orphans in sessions of their own that ignore TERM: all are killed and reaped."""
    brood = Brood()
    script = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork():\n"
        "        os._exit(0)\n"
        "print(os.getpid(), flush=True)\n"
        "signal.pause()\n"
    )
    log = tmp_path / "log"
    with log.open("wb") as output:
        child = subprocess.Popen([sys.executable, "-c", script], stdout=output)
    eventually(lambda: len(log.read_text().split()) == 2)
    pids = [int(pid) for pid in log.read_text().split()]
    assert child.pid in pids
    assert all(map(alive, pids))
    assert {process.pid for process in brood.left()} >= set(pids)
    brood.end()
    assert brood.left() == []
    assert not any(map(alive, pids))
    assert child.wait(5) in (0, -signal.SIGKILL)


def test_descriptors_of_a_process(standin: Program) -> None:
    """What a process has open is read from /proc: the stand-in has its log, and a listening socket."""
    standin.start()
    found = descriptors(standin.pid)
    assert found[1] == found[2] == str(standin.log)
    assert any(target.startswith("socket:") for target in found.values())


def test_a_deploy_with_settings(program: Program) -> None:
    """Constants are filled in by name; settings of later deploys are added to earlier ones."""
    program.deploy(text='"""VERSION = 0"""\nVERSION = "x"\nADDRESS: str = ""\nSETTINGS: dict[str, int] = {}\n')
    program.deploy(version="7", address=["127.0.0.1:0", "unix:@a"], threads=3)
    program.deploy(check="/version")
    names: dict[str, object] = {}
    exec(program.script.read_text(), names)
    assert names["VERSION"] == "7"
    assert names["ADDRESS"] == ["127.0.0.1:0", "unix:@a"]
    assert names["SETTINGS"] == {"threads": 3, "check": "/version"}
    assert names["__doc__"] == "VERSION = 0"


def test_every_write_has_a_time_of_its_own(program: Program) -> None:
    """Or Python would run what it compiled from the text before."""
    times = set()
    for version in range(3):
        program.deploy(version=str(version))
        times.add(program.script.stat().st_mtime)
    assert len(times) == 3


def test_traffic_notices_a_careless_restart(standin: Program) -> None:
    """The stand-in drops its connections when it is replaced, and the clients say so."""
    standin.start()
    with Traffic(standin.address, {"keep-alive": 4, "idle": 4}) as traffic:
        eventually(lambda: traffic.snapshot().requests > 100)
        standin.deploy(version="2")
        standin.restart()
        standin.wait_gone(standin.pid)
        eventually(lambda: "2" in traffic.snapshot().versions)
    result = traffic.result()
    assert result.closed_by_server >= 4, result
    assert list(result.versions) == ["1", "2"]
    assert list(result.generations) == ["1", "2"]


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("1", "1 error")])
def test_what_pip_cannot_install_is_skipped_but_not_in_ci(tmp_path: Path, ci: str, outcome: str) -> None:
    """A test marked with `needs` says what to install; CI, which installs it, must not pass without."""
    text = "import pytest\n\n@pytest.mark.needs('no-such-command', 'a-package')\ndef test_it(): pass\n"
    shown = run_pytest(tmp_path, text, CI=ci)
    assert outcome in shown
    assert "no-such-command is not here: on Debian, apt-get install a-package" in shown


def test_a_failed_test_shows_the_log(tmp_path: Path) -> None:
    """The report of a failed test has what its programs wrote."""
    shown = run_pytest(
        tmp_path,
        f"""
def test_it(program):
    program.deploy(text={STANDIN!r})
    program.start()
    assert program.get("/version").body == b"99"
""",
    )
    assert "1 failed" in shown
    assert "log of program" in shown
    assert re.search(r"gen=1 pid=\d+ serving at http://127.0.0.1:", shown)


def run_pytest(folder: Path, text: str, **environ: str) -> str:
    """What pytest shows of a file of tests that has our fixtures."""
    (folder / "conftest.py").write_text("from tests.conftest import *\nfrom tests.conftest import _PROGRAMS\n")
    (folder / "test_it.py").write_text(text)
    argv = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", f"--rootdir={folder}", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=50).stdout
