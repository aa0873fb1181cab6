"""The FastAPI example, started as its README says and restarted under load."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sqlite3
import sys
from contextlib import closing
from typing import Any

import pytest
import websockets.sync.client as websockets
from websockets.exceptions import ConnectionClosed

from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.harness import ROOT, Program
from tests.restart.clusters import settle, workers
from tests.restart.test_broken_deploys import restart
from tests.restart.worker_classes import UVICORN
from tests.traffic import Traffic
from tests.traffic.kinds import Paths

EXAMPLE = ROOT / "examples" / "fastapi_app" / "app.py"
PAGE = EXAMPLE.with_name("live.html")
RUN = [sys.executable, "-m", "hotswap", "run", "app:app", "-b", "127.0.0.1:0"]


def processes(program: Program) -> list[int]:
    """Those that answer requests: its workers, or the one that there is."""
    return workers(program) or [program.serving_pid]


@pytest.mark.parametrize("options", [[], ["-w", "2"], ["-w", "2", "-k", UVICORN]])
def test_the_fastapi_example(program: Program, options: list[str]) -> None:
    """Restarts under one-shot load, a long request over one, a broken deploy; and all that was opened is closed."""
    shutil.copy(EXAMPLE, program.folder)
    text = EXAMPLE.read_text()
    program.start(command=[*RUN, *options], text=text)
    opened = processes(program)
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
        opened += processes(program)
        program.restart()
        eventually(lambda: json.loads(program.get("/").body)["version"] == "3", "version 3 answers")
    result = traffic.result()
    assert result.failures == {}, result
    settle(program)
    opened += processes(program)
    assert program.stop() == 0
    for pid in opened:
        # Not by lines: two processes that print at once have their texts in one, and then two ends of a line.
        assert re.search(rf"opened by {pid}(?!\d)", program.text())
        assert re.search(rf"closed by {pid}(?!\d)", program.text())
    with closing(sqlite3.connect(program.folder / "hits.db")) as database:
        (hits,) = database.execute("SELECT count(*) FROM hits").fetchone()
    assert hits >= result.requests


def event(client: socket.socket, before: bytes = b"") -> dict[str, Any]:
    """The data of the next server-sent event."""
    while not (found := re.search(rb"data: (.*)\n\n", before)):
        data = client.recv(65536)
        assert data, "closed"
        before += data
    return dict(json.loads(found[1]))


def test_server_sent_events_over_a_restart(program: Program) -> None:
    """The stream ends as an answer does; its connection moves, and the next one on it is of the new version."""
    shutil.copy(EXAMPLE, program.folder)
    shutil.copy(PAGE, program.folder)
    program.start(command=RUN, text=EXAMPLE.read_text())
    page = program.get("/live")
    assert b'new EventSource("events")' in page.body
    with connect(program.address) as client:
        for version in ("1", "2"):
            client.sendall(request("/events"))
            assert event(client)["version"] == version
            if version == "1":
                program.deploy(version="2")
                program.restart()
                rest = b""
                while not rest.endswith(b"0\r\n\r\n"):
                    data = client.recv(65536)
                    assert data, "closed in the middle of the stream"
                    rest += data
    program.settle()
    assert program.stop() == 0


@pytest.mark.parametrize("options", [[], ["-w", "2"]])
def test_its_websocket_comes_back(program: Program, options: list[str]) -> None:
    """Closed with 1012 by the version that leaves, and opened again with the next one."""
    shutil.copy(EXAMPLE, program.folder)
    text = EXAMPLE.read_text()
    program.start(command=[*RUN, *options, "--websocket-drain", "0.2"], text=text)
    for version in ("1", "2"):
        with websockets.connect(f"ws://{program.address}/chat", proxy=None) as chat:
            assert json.loads(chat.recv())["version"] == version
            chat.send("hello")
            assert json.loads(chat.recv())["heard"] == "hello"
            program.deploy(text=text, version=str(int(version) + 1))
            program.restart()
            with pytest.raises(ConnectionClosed) as closed:
                chat.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
    settle(program)
    assert program.stop() == 0
