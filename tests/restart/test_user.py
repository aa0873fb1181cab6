"""A server that starts as root and serves as another user: what workers may do, and its successor still can."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import asking
from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import ROOT, Program
from tests.live import starts_processes
from tests.processes import descendants
from tests.restart.clusters import settle, wait_workers, workers
from tests.restart.test_load import assert_nobody_noticed
from tests.traffic import Traffic

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can serve as another user")

#: Numbers need no name in /etc/passwd. A name that every system has: see test_names_are_taken.
UID, GID = 54321, 54322
#: What gunicorn imports in a worker is there already, should this Python stand where the user may not read.
IMPORTED_BEFORE = "import hashlib, random\n"


@pytest.fixture
def reachable(programs: Callable[[str], Program]) -> Iterator[Program]:
    """A program in a folder that everybody may enter."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield programs(folder)


def owner(path: Path) -> tuple[int, int]:
    """User and group of a file."""
    found = path.stat()
    return found.st_uid, found.st_gid


def test_workers_serve_as_the_user(program: Program) -> None:
    """In each generation workers are the user for good; the server process is root, and so is its successor."""
    secret = program.folder / "only_root"
    secret.mkdir(mode=0o700)
    (secret / "key").write_text("1")
    (secret / "key").chmod(0o600)
    first, second = program.folder / "first.sock", secret / "second.sock"
    program.start(
        below=("paths.reads", str(secret / "key")),
        address=["127.0.0.1:0", f"unix:{first}"],
        workers=2, user=UID, group=GID, accesslog="access.log", pidfile="pid",
    )  # fmt: skip
    with Traffic(program.address, {"keep-alive": 4, "one-shot": 2}, seconds=60) as traffic:
        for _ in range(3):
            program.restart()
        program.deploy(address=["127.0.0.1:0", f"unix:{first}", f"unix:{second}"])
        program.restart()
        assert json.loads(program.get("/process").body)["users"] == [UID] * 3 + [GID] * 3
    assert_nobody_noticed(traffic.result())
    assert Path(f"/proc/{settle(program)}").stat().st_uid == 0
    assert [owner(program.folder / name) for name in ("access.log", "first.sock")] == [(UID, GID)] * 2
    assert owner(second) == (UID, GID)
    assert (program.folder / "pid").read_text() == f"{program.serving_pid}\n"
    assert "/process HTTP/1.1" in (program.folder / "access.log").read_text()
    assert program.stop() == 0
    assert not first.exists()
    assert not second.exists()


def test_names_are_taken(program: Program) -> None:
    """A name, and a group alone; the supplementary groups are the user's with initgroups."""
    program.start(workers=1, user="nobody", group=GID, initgroups=True)
    assert json.loads(program.get("/process").body)["users"][0] != 0
    program.deploy(user=None, initgroups=False)
    program.restart()
    program.settle()  # the worker of generation 1 may not have heard yet that it retires
    assert json.loads(program.get("/process").body)["users"] == [0] * 3 + [GID] * 3
    program.stop()


def test_logs_are_reopened_by_workers_too(reachable: Program) -> None:
    """After logrotate: the server process makes the new file, and the workers' user owns it."""
    program = reachable
    log, rotated = program.folder / "access.log", program.folder / "access.log.1"
    program.start(workers=1, user=UID, group=GID, accesslog="access.log")
    log.rename(rotated)
    program.send(signal.SIGUSR1)
    eventually(lambda: program.get("/").status == 200 and log.exists() and log.stat().st_size)
    assert owner(log) == (UID, GID)
    assert program.stop() == 0


def test_a_log_that_workers_cannot_reopen(program: Program) -> None:
    """They say so, and go on writing where they wrote."""
    folder = program.folder / "only_root"
    folder.mkdir(mode=0o700)
    program.start(workers=1, user=UID, group=GID, accesslog=str(folder / "access.log"))
    (folder / "access.log").rename(folder / "rotated")
    program.send(signal.SIGUSR1)
    program.wait_for(r"cannot reopen \S+/access.log \(Permission denied\): the log stays where it is")
    assert program.get("/version").status == 200
    eventually(lambda: "/version" in (folder / "rotated").read_text())
    assert program.stop() == 0


def test_hotswap_run_loads_as_the_user(reachable: Program) -> None:
    """What workers might be able to write is not run by root, unless that is asked for."""
    program = reachable
    program.write(
        program.folder / "site_app.py",
        "import os\nprint('imported by', os.geteuid(), flush=True)\n"
        "def app(environ, start):\n    start('200 OK', [('Content-Length', '0')])\n    return []\n",
    )
    (program.folder / "gunicorn.conf.py").write_text(IMPORTED_BEFORE)
    command = [program.python, "-m", "hotswap", "run", "site_app:app", "-b", "127.0.0.1:0", "-w", "1"]
    program.start(command=[*command, "-u", str(UID), "-g", str(GID)])
    assert program.get("/").status == 200
    program.restart()
    assert program.get("/").status == 200
    program.stop()
    program.start(command=[*command, "-u", str(UID), "--preload"])
    assert program.stop() == 0
    said = [line for line in program.text().splitlines() if line.startswith("imported by")]
    assert said == [f"imported by {UID}"] * 2 + ["imported by 0"]


def test_one_process_cannot_do_that(program: Program) -> None:
    """Without workers it is refused, at the start and at a restart, with the remedy."""
    program.start(workers=1, user=UID)
    program.deploy(workers=0)
    command = hotswap(program, "restart", str(program.pid))
    assert command.returncode == 1
    sentence = f"user = {UID} (keyword) is refused: a process that gives up root cannot start a successor that has it"
    assert f"{sentence}: use workers=1 or more" in command.stderr
    assert program.get("/").headers["x-generation"] == "1"
    assert program.stop() == 0


@starts_processes
def test_only_root_can_do_that() -> None:
    """Another user is told so at the start, not by a traceback of each worker."""
    script = (
        "import os\nfrom hotswap.settings import check, from_keywords\n"
        f"cfg = from_keywords({{'workers': 1, 'user': {UID}, 'group': {GID}}})\n"
        f"check(cfg)\nos.setuid({UID})\ncheck(cfg)\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environ, timeout=30)
    for name, number in (("user", UID), ("group", GID)):
        sentence = f"{name} = {number} (keyword) is refused: only root can change to another user"
        assert f"{sentence}: start it as root, or leave the setting out" in found.stderr


def test_kill_9_while_the_user_loads(program: Program) -> None:
    """A worker that hangs when its parent is killed dies with it, also after it has changed its user."""
    program.start(post_worker_init="tests.apps.hooks.hangs", workers=2, user=UID, ready=False)
    program.wait_for("(?s)hanging.*hanging")
    left = [process.pid for process in descendants(program.pid)]
    assert len(left) == 2
    os.kill(program.pid, signal.SIGKILL)
    program.wait_gone(program.pid, *left)


def test_a_heartbeat_in_a_folder_of_roots(program: Program) -> None:
    """worker_tmp_dir: the file is the worker's own, so it can give its heartbeat, and is not killed."""
    (program.folder / "beats").mkdir(mode=0o700)
    program.start(workers=1, user=UID, timeout=2, worker_tmp_dir=str(program.folder / "beats"))
    before = workers(program)
    program.send(signal.SIGTERM, before[0])
    after = wait_workers(program, 1, without=tuple(before))
    with asking.connect(program.address) as client:
        client.sendall(asking.request("/slow/3"))
        assert asking.read_answer(client).status == 200
    assert workers(program) == after
    assert program.stop() == 0


def test_a_project_that_the_user_may_not_read(program: Program) -> None:
    """The start says so; to Python it is a directory in which there is no such module."""
    (program.folder / "site_app.py").write_text("def app(environ, start): pass\n")
    (program.folder / "gunicorn.conf.py").write_text(IMPORTED_BEFORE)
    program.folder.chmod(0o700)
    command = [program.python, "-m", "hotswap", "run", "site_app:app", "-b", "127.0.0.1:0", "-w", "1", "--no-preload"]
    program.start(command=[*command, "-u", str(UID), "-g", str(GID)], ready=False)
    assert program.wait_status() == 1
    assert f"user {UID} may not read {program.folder}" in program.text()


ASGI = """
import os
async def app(scope, receive, send):
    assert scope["type"] == "http"
    body = str(os.geteuid()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.mark.parametrize("kind", ["gthread", "asgi"])
def test_gunicorns_worker_classes(program: Program, kind: str) -> None:
    """They give up root themselves, in each generation."""
    wsgi = "import os\ndef app(environ, start):\n    start('200 OK', [('Content-Length', '5')])\n"
    text = ASGI if kind == "asgi" else f"{wsgi}    return [str(os.geteuid()).encode()]\n"
    (program.folder / "site_app.py").write_text(text)
    (program.folder / "gunicorn.conf.py").write_text(IMPORTED_BEFORE)
    command = [program.python, "-m", "hotswap", "run", "site_app:app", "-b", "127.0.0.1:0", "-w", "1", "-k", kind]
    program.start(command=[*command, "-u", str(UID), "-g", str(GID), "--preload"])
    assert program.get("/").body == str(UID).encode()
    program.restart()
    assert program.get("/").body == str(UID).encode()
    program.stop()
