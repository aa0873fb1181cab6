"""The harness itself, against a fake server: what it says about processes, deploys and logs is true."""

from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.harness import DEFAULT, ROOT, Program
from tests.live import starts_processes
from tests.processes import ProcessTree, alive, descriptors, has_living_descendants
from tests.traffic import Traffic

FAKE_SERVER = (ROOT / "tests" / "apps" / "fake_server.py").read_text()


@pytest.fixture
def fake_server(program: Program) -> Program:
    """A fake server that has not been started yet."""
    program.deploy(text=FAKE_SERVER)
    return program


def test_start_deploy_restart_stop(fake_server: Program) -> None:
    """A life of three generations, as the harness sees it."""
    fake_server.start()
    assert (fake_server.serving_generation, fake_server.serving_pid) == (1, fake_server.pid)
    assert fake_server.get("/version").body == b"1"
    for number in (2, 3):
        fake_server.deploy(version=str(number))
        assert fake_server.restart() == number
        fake_server.wait_gone(fake_server.generations()[number - 1])
        assert fake_server.get("/version").body == str(number).encode()
    assert list(fake_server.generations()) == [1, 2, 3]
    assert fake_server.pids() == list(fake_server.generations().values())
    assert fake_server.alive() == [fake_server.serving_pid]
    assert fake_server.status(fake_server.pid) == 0
    assert fake_server.stop() == 0
    assert fake_server.alive() == []


def test_exit_statuses_of_orphans_are_known(fake_server: Program) -> None:
    """A generation whose parent has gone is a child of the tests, so that its end can be looked at."""
    fake_server.start()
    fake_server.restart()
    fake_server.wait_gone(fake_server.pid)
    assert fake_server.stop(signal.SIGKILL) == -signal.SIGKILL


def test_waiting_for_a_process_that_has_died_ends_at_once(fake_server: Program) -> None:
    """A program that breaks at boot is not waited for until the deadline."""
    with pytest.raises(AssertionError, match="no process is left"):
        fake_server.start("--broken")
    assert "this program is broken" in fake_server.text()
    assert fake_server.wait_status() == 1


def test_a_wait_has_a_deadline(fake_server: Program) -> None:
    """What never comes is an error that says what was waited for."""
    fake_server.start()
    with pytest.raises(AssertionError, match="no 'never' in the log"):
        fake_server.wait_for("never", deadline=0.2)
    with pytest.raises(AssertionError, match=r"not within 0\.1 s: a reason"):
        eventually(lambda: None, "a reason", deadline=0.1)


def test_a_mark_hides_what_was_said_before(fake_server: Program) -> None:
    """Waiting since a mark finds only what is written after it."""
    fake_server.start()
    mark = fake_server.mark()
    with pytest.raises(AssertionError):
        fake_server.wait_for("serving at", since=mark, deadline=0.1)
    fake_server.restart()
    assert fake_server.wait_for("serving at", since=mark).start() > mark


def test_processes_of_others_are_not_signalled(fake_server: Program) -> None:
    """A pid that stands in the log by accident is not that of a process to signal."""
    fake_server.start()
    with pytest.raises(AssertionError, match="no process of this program"):
        fake_server.send(signal.SIGTERM, os.getppid())


@starts_processes
def test_processes_end_with_their_test(tmp_path: Path) -> None:
    """Children, and orphans in sessions of their own that ignore TERM: all are killed and reaped."""
    tree = ProcessTree()
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
    assert {process.pid for process in tree.left()} >= set(pids)
    tree.end()
    assert tree.left() == []
    assert not any(map(alive, pids))
    assert child.wait(5) in (0, -signal.SIGKILL)


RELAY = """
import os, sys
for _ in range(300):
    if os.fork():
        os._exit(0)
open(sys.argv[1], "w").close()
"""


def test_a_process_that_hands_on_to_its_child_is_not_missed(process_tree: ProcessTree, tmp_path: Path) -> None:
    """As --daemon does, twice in a row: at every moment one of the relay runs, until it has written its file."""
    end = tmp_path / "end"
    subprocess.Popen([sys.executable, "-c", RELAY, str(end)])
    while has_living_descendants(os.getpid()):
        pass
    assert end.exists()


def test_descriptors_of_a_process(fake_server: Program) -> None:
    """What a process has open is read from /proc: the fake server has its log, and a listening socket."""
    fake_server.start()
    found = descriptors(fake_server.pid)
    assert found[1] == found[2] == str(fake_server.log)
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
    program.deploy(check=DEFAULT)
    assert "'/version'" not in program.script.read_text()


def test_a_deploy_with_steps(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program does what is chosen for it, with arguments, in that order; until a deploy takes it out again."""
    before = list(sys.path)
    monkeypatch.setattr(sys, "path", list(before))
    program.deploy(below=[("paths.first", "a"), ("paths.first", "b")])
    runpy.run_path(str(program.script))
    assert sys.path == ["b", "a", *before]
    program.deploy(below=[])
    runpy.run_path(str(program.script))
    assert sys.path == ["b", "a", *before]


def test_every_write_has_a_time_of_its_own(program: Program) -> None:
    """Or Python would run what it compiled from the text before."""
    times = set()
    for version in range(3):
        program.deploy(version=str(version))
        times.add(program.script.stat().st_mtime)
    assert len(times) == 3


def test_traffic_notices_a_careless_restart(fake_server: Program) -> None:
    """The fake server drops its connections when it is replaced, and the clients say so."""
    fake_server.start()
    with Traffic(fake_server.address, {"keep-alive": 4, "idle": 4}) as traffic:
        eventually(lambda: traffic.snapshot().requests > 100)
        fake_server.deploy(version="2")
        fake_server.restart()
        fake_server.wait_gone(fake_server.pid)
        eventually(lambda: "2" in traffic.snapshot().versions)
    result = traffic.result()
    assert result.closed_by_server >= 4, result
    assert list(result.versions) == ["1", "2"]
    assert list(result.generations) == ["1", "2"]


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("1", "1 error")])
@starts_processes
def test_what_pip_cannot_install_is_skipped_but_not_in_ci(tmp_path: Path, ci: str, outcome: str) -> None:
    """A test marked with `needs` says what to install; CI, which installs it, must not pass without."""
    text = "import pytest\n\n@pytest.mark.needs('no-such-command', 'a-package')\ndef test_it(): pass\n"
    shown = run_pytest(tmp_path, text, CI=ci)
    assert outcome in shown
    assert "no-such-command is not here: on Debian, apt-get install a-package" in shown


@starts_processes
def test_a_failed_test_shows_the_log(tmp_path: Path) -> None:
    """The report of a failed test has what its programs wrote."""
    shown = run_pytest(
        tmp_path,
        f"""
def test_it(program):
    program.deploy(text={FAKE_SERVER!r})
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
