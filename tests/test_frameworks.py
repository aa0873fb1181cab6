"""The examples beside Flask's: each started as its README says, restarted under load, and looked at from inside."""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest

from tests import asking
from tests.eventually import eventually
from tests.harness import ROOT, Program
from tests.restart.clusters import workers
from tests.restart.test_load import assert_nobody_noticed
from tests.traffic import Traffic
from tests.traffic.kinds import Paths

EXAMPLES = ROOT / "examples"
PATHS = Paths(echo="/hello/{token}", upload="/upload?{token}")

# --- Django


@pytest.mark.parametrize("arguments", [[], ["-w", "2"]])
def test_django(program: Program, arguments: list[str]) -> None:
    """`hotswap run project.wsgi`, a new version, a broken one and another one, under load."""
    shutil.copytree(EXAMPLES / "django_app" / "project", program.folder / "project")
    settings = program.folder / "project" / "settings.py"
    command = [sys.executable, "-m", "hotswap", "run", "project.wsgi", "-b", "127.0.0.1:0", *arguments]
    program.start(command=command)
    clients = {"keep-alive": 4, "one-shot": 2, "uploader": 1}
    with Traffic(program.address, clients, seconds=60, paths=PATHS) as traffic:
        text = settings.read_text()
        for version in ("2", "3"):
            program.write(settings, text.replace('VERSION = "1"', f'VERSION = "{version}"'))
            program.restart()
            assert f"version {version}, generation {version}" in program.get("/hello/you").body.decode()
        mark = program.mark()
        program.write(settings, text.replace("ROOT_URLCONF", "INSTALLED_APPS = ['not_there']\nROOT_URLCONF"))
        program.hup()
        program.wait_for("generation 3 serves on: ", since=mark)
        program.wait_for("No module named 'not_there'", since=mark)
    assert_nobody_noticed(traffic.result())
    assert b"version 3" in program.get("/hello/you").body
    program.stop()


# --- a pool, jobs, a scheduler

#: Tells which process opens, uses and closes database connections; to use another process's fails the request.
WATCHING = """
from sqlalchemy import event
@event.listens_for(Engine, "connect")
def _opened(connection, record):
    record.info["pid"] = os.getpid()
    os.write(1, f"opened by {os.getpid()}\\n".encode())
@event.listens_for(Engine, "checkout")
def _used(connection, record, proxy):
    assert record.info["pid"] == os.getpid()
@event.listens_for(Engine, "close")
def _closed(connection, record):
    os.write(1, f"closed by {os.getpid()}, opened by {record.info['pid']}\\n".encode())
@app.get("/wait")
def wait():
    os.write(1, b"waiting\\n")
    while not os.path.exists("go"):
        time.sleep(0.05)
    return f"generation {hotswap.generation}"
"""
#: A call takes longer than until the next one, so that two callers would overlap.
LONG = "        time.sleep(EVERY * 1.2)\n"
MODES = pytest.mark.parametrize("number", [0, 2], ids=["single", "workers"])
RESTARTS = 5
EVERY = 0.2


def start(program: Program, number: int, **environ: str) -> None:
    """The example, with its connections watched."""
    text = (EXAMPLES / "pool_app" / "app.py").read_text()
    text = text.replace("app = Flask(__name__)\n", f"app = Flask(__name__)\n{WATCHING}")
    text = text.replace("        began = time.time()\n", f"        began = time.time()\n{LONG}")
    program.start(text=text, environ={"WORKERS": str(number), "EVERY": str(EVERY), **environ})


def rows(program: Program, query: str) -> list[tuple[Any, ...]]:
    """What the database says."""
    with closing(sqlite3.connect(program.folder / "app.db", timeout=10)) as connection:
        return list(connection.execute(query))


def serving(program: Program, number: int) -> list[int]:
    """The processes that answer requests."""
    return workers(program) if number else [program.serving_pid]


def connections(program: Program, pid: int) -> tuple[int, int]:
    """How many a process has opened, and how many of these it has closed."""
    said = program.text()
    return len(re.findall(rf"(?m)^opened by {pid}$", said)), said.count(f"closed by {pid}, opened by {pid}\n")


@MODES
def test_the_pool_is_each_processs_own(program: Program, number: int) -> None:
    """It is opened after the fork, used by no other process, and closed in every process that leaves."""
    start(program, number)
    left: list[int] = []
    with Traffic(program.address, {"keep-alive": 4, "one-shot": 2}, seconds=60, paths=PATHS) as traffic:
        for _ in range(2):
            left += serving(program, number)
            traffic.wait(0.3)
            program.restart()
    left += serving(program, number)
    assert_nobody_noticed(traffic.result())
    program.stop()
    for pid in left:
        opened, closed = connections(program, pid)
        assert opened == closed > 0, pid
        assert f"pid={pid} jobs are done, the pool is closed" in program.text()


@MODES
def test_a_job_is_done_before_its_process_ends(program: Program, number: int) -> None:
    """Restarts and a stop come in between; each is done once, by the process that accepted it."""
    start(program, number)
    accepted: dict[str, str] = {}
    for generation in range(3):
        with asking.connect(program.address) as client:
            for item in range(3):
                name = f"{generation}-{item}"
                client.sendall(asking.request(f"/jobs/{name}", method="POST"))
                answer = asking.read_answer(client)
                assert answer.status == 202
                accepted[name] = answer.body.decode().split()[-1]
            program.restart() if generation < 2 else program.stop()
    program.wait_gone(*program.pids())
    done = [(name, str(pid)) for name, pid in rows(program, "SELECT name, pid FROM jobs ORDER BY name")]
    assert done == sorted(accepted.items())


def wait_for_a_tick(program: Program, where: str) -> None:
    """Wait until there is one of which this is true."""
    query = f"SELECT count(*) FROM ticks WHERE {where}"
    eventually(lambda: int(rows(program, query)[0][0]), f"no ticks where {where}")


@MODES
def test_the_scheduler_runs_in_one_place(program: Program, number: int) -> None:
    """One process of all workers and generations at a time: no tick twice, none overlaps another, no long gap."""
    start(program, number)
    for generation in range(1, RESTARTS + 2):
        wait_for_a_tick(program, f"generation = {generation}")
        if generation <= RESTARTS:
            program.restart()
    program.stop()
    ticks = rows(program, "SELECT number, generation, began, ended FROM ticks ORDER BY began")
    numbers, generations = [tick[0] for tick in ticks], [tick[1] for tick in ticks]
    assert len(set(numbers)) == len(numbers)
    assert numbers == sorted(numbers)
    assert generations == sorted(generations)
    assert set(generations) == set(range(1, RESTARTS + 2))
    pauses = [after[2] - before[3] for before, after in pairwise(ticks)]
    assert min(pauses) >= 0
    # Only what a busy machine takes: a process that waits looks four times in EVERY.
    assert max(pauses) < 5, pauses


@MODES
def test_the_next_scheduler_waits_for_no_request(program: Program, number: int) -> None:
    """The old version goes on answering, and its scheduler has let go already."""
    start(program, number)
    with asking.connect(program.address) as client:
        client.sendall(asking.request("/wait"))
        program.wait_for("waiting")
        program.restart()
        wait_for_a_tick(program, "generation = 2")
        (program.folder / "go").touch()
        assert asking.read_answer(client).body == b"generation 1"
    program.stop()


@MODES
def test_the_scheduler_of_a_version_that_takes_back(program: Program, number: int) -> None:
    """The successor is lost right after the swap: the process that serves again calls again."""
    start(program, number)
    program.restart()
    program.send(signal.SIGKILL)
    program.wait_for("generation 1 serves again")
    last = rows(program, "SELECT max(number) FROM ticks")[0][0] or 0
    wait_for_a_tick(program, f"number > {last} AND generation = 1")
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0


def test_the_scheduler_survives_its_process(program: Program) -> None:
    """kill -9 of the worker that has the lock: another one goes on."""
    start(program, 2)
    wait_for_a_tick(program, "TRUE")
    for pid in workers(program):
        program.send(signal.SIGKILL, pid)
        program.wait_for(rf"pid {pid}\) was killed by SIGKILL")
    wait_for_a_tick(program, f"number > {rows(program, 'SELECT max(number) FROM ticks')[0][0]}")
    numbers = [row[0] for row in rows(program, "SELECT number FROM ticks")]
    assert len(set(numbers)) == len(numbers)
    assert program.stop() == 0


# --- what the documentation shows


def lines_of(text: str) -> str:
    """The text without indentation and empty lines, which a formatter decides by where a block stands."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def test_the_recipes_are_the_examples() -> None:
    """Each block of Python in docs/recipes.md stands in an example, line for line."""
    sources = [lines_of(path.read_text()) for path in EXAMPLES.rglob("*.py")]
    blocks = re.findall(r"(?s)```python\n(.*?)```", (ROOT / "docs" / "recipes.md").read_text())
    assert blocks
    for block in blocks:
        assert any(lines_of(block) in source for source in sources), block
