"""The FastAPI example, started as its README says and restarted under load."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import sys
from contextlib import closing

import pytest

from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.harness import ROOT, Program
from tests.restart.clusters import settle, workers
from tests.restart.test_broken_deploys import restart
from tests.restart.worker_classes import UVICORN
from tests.traffic import Traffic
from tests.traffic.kinds import Paths

EXAMPLE = ROOT / "examples" / "fastapi_app" / "app.py"
RUN = [sys.executable, "-m", "hotswap", "run", "app:app", "-w", "2", "-b", "127.0.0.1:0"]


@pytest.mark.parametrize("options", [[], ["-k", UVICORN]])
def test_the_fastapi_example(program: Program, options: list[str]) -> None:
    """Restarts under one-shot load, a long request over one, a broken deploy; and all that was opened is closed."""
    shutil.copy(EXAMPLE, program.folder)
    text = EXAMPLE.read_text()
    program.start(command=[*RUN, *options], text=text)
    opened = workers(program)
    with Traffic(program.address, {"one-shot": 4}, seconds=60, paths=Paths(echo="/hello/{token}")) as traffic:
        with connect(program.address) as client:
            client.sendall(request("/slow?seconds=1", "Connection: close"))
            program.get("/")
            program.deploy(text=text, version="2")
            program.restart()
            assert json.loads(read_answer(client).body)["version"] == "1"
        program.deploy(text=text.replace('print(f"opened by {os.getpid()}", flush=True)', "raise OSError('no disk')"))
        command = restart(program)
        assert command.returncode == 1
        assert "OSError: no disk" in command.stderr
        program.deploy(text=text, version="3")
        opened += workers(program)
        program.restart()
        eventually(lambda: json.loads(program.get("/").body)["version"] == "3", "version 3 answers")
    result = traffic.result()
    assert result.failures == {}, result
    settle(program)
    opened += workers(program)
    assert program.stop() == 0
    for pid in opened:
        # Not by lines: two processes that print at once have their texts in one, and then two ends of a line.
        assert re.search(rf"opened by {pid}(?!\d)", program.text())
        assert re.search(rf"closed by {pid}(?!\d)", program.text())
    with closing(sqlite3.connect(program.folder / "hits.db")) as database:
        (hits,) = database.execute("SELECT count(*) FROM hits").fetchone()
    assert hits >= result.requests
