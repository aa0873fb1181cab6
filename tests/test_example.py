"""The example application does what its README says, and the demonstration notices what it must not miss."""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
import subprocess
import sys

import pytest
from simple_websocket import Client, ConnectionClosed

from examples.flask_app import demo
from tests import asking
from tests.eventually import eventually
from tests.harness import ROOT, Program
from tests.live import starts_processes
from tests.traffic import Result

EXAMPLE = ROOT / "examples" / "flask_app"
GOING_AWAY = 1001


@pytest.fixture
def example(program: Program) -> Program:
    """The example, serving."""
    copy = demo.copied(program.folder / "flask_app")
    program.folder, program.script = copy.folder, copy.script
    program.deploy(version="1", text=program.script.read_text())
    return program.start(environ={"ADDRESS": "127.0.0.1:0"})


def ask(sock: socket.socket, path: str, body: bytes = b"") -> bytes:
    """The body of a good answer on a connection that stays open."""
    sock.sendall(asking.request(path, method="POST" if body else "GET", body=body))
    answer = asking.read_answer(sock)
    assert (answer.status, answer.closes) == (200, False)
    return answer.body


def test_every_page_answers_and_a_new_version_follows(example: Program) -> None:
    """All on one connection, which is kept over the restart."""
    with asking.connect(example.address) as sock:
        for version in ("1", "2"):
            foot = f"version {version} · generation {version} · pid {example.serving_pid}".encode()
            for path in ("/", "/hello/you", "/slow?seconds=0.01", "/upload", "/events"):
                assert foot in ask(sock, path), path
            digest = hashlib.sha256(b"x" * 300_000).hexdigest()
            assert digest.encode() in ask(sock, "/upload", b"x" * 300_000)
            lines = ask(sock, "/download").splitlines()
            assert (len(lines), lines[-1]) == (100_000, f"line 99999 of version {version}".encode())
            example.deploy(version="2")
            example.restart()
    assert example.get("/slow?seconds=-1").status == 400


def test_events_end_with_their_generation(example: Program) -> None:
    """The stream ends properly when its process leaves; its connection then asks the new version."""
    with asking.connect(example.address) as sock:
        sock.sendall(asking.request("/ticks"))
        eventually(lambda: b"tick 1 from version 1" in sock.recv(65536, socket.MSG_PEEK))
        example.deploy(version="2")
        example.restart()
        answer = asking.read_answer(sock)
        assert answer.body.endswith(b"from version 1, generation 1\n\n")
        assert b"This is version 2" in ask(sock, "/")


@pytest.fixture
def chat(program: Program) -> Program:
    """The chat, serving."""
    shutil.copytree(EXAMPLE / "templates", program.folder / "templates")
    program.deploy(version="1", text=(EXAMPLE / "chat.py").read_text())
    return program.start(environ={"ADDRESS": "127.0.0.1:0"})


def hear(client: Client) -> object:
    """The next message of the chat."""
    return client.receive(timeout=10)


def test_the_chat_goes_on_over_a_restart(chat: Program) -> None:
    """All hear what one says; at a restart all are told 1001, which the page knows, and the new version has them."""
    assert b"GOING_AWAY = 1001" in chat.get("/").body
    for version in ("1", "2"):
        clients: list[Client] = []
        for text in ("hello", "me too"):
            # It says something first: this client looks at what came with the handshake's answer when more comes.
            clients.append(Client(f"ws://{chat.address}/chat"))
            clients[-1].send(text)
            assert hear(clients[-1]) == f"this is version {version}, generation {version}"
            assert [hear(client) for client in clients] == [text] * len(clients)
        chat.deploy(version="2")
        chat.restart()
        for client in clients:
            with pytest.raises(ConnectionClosed) as found:
                hear(client)
            assert found.value.reason == GOING_AWAY


@starts_processes
def test_the_demonstration_succeeds() -> None:
    """`make demo` shows six versions, no failure and no closed connection, and exits with 0."""
    argv = [sys.executable, "-m", "examples.flask_app.demo"]
    run = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=55)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"(?m)^versions seen +1 2 3 4 5 6$", run.stdout)
    assert re.search(r"(?m)^failed +0$", run.stdout)
    assert re.search(r"(?m)^connections closed by the server +0$", run.stdout)


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (Result(failures={"one-shot": {"refused": 2}}), "requests failed: {'one-shot': {'refused': 2}}"),
        (Result(closed_by_server=3), "3 connections closed"),
        (Result(versions={"1": 9, "2": 9, "3": 9, "4": 9, "6": 9}), "never seen: version 5"),
    ],
)
def test_the_demonstration_fails_if_anything_failed(result: Result, problem: str) -> None:
    """A failed request, a closed connection, a version that no client saw: each is named."""
    versions = result.versions or dict.fromkeys("123456", 1)
    result.versions = versions
    assert demo.found(result) == [problem]
