"""Websockets by flask-sock, unchanged: they talk, they are waited for, and their clients find the next generation."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator

import pytest
from simple_websocket import Client, ConnectionClosed

from tests.asking import connect, read_answer, request
from tests.eventually import DEADLINE, eventually
from tests.harness import ROOT, Program

SOCKETS = (ROOT / "tests" / "apps" / "sockets.py").read_text()
GOING_AWAY = 1001
HANDSHAKE = (
    "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip
Open = Callable[[str], Client]


@pytest.fixture
def served(program: Program) -> Program:
    """The application of this file; not started yet."""
    program.deploy(text=SOCKETS)
    return program


@pytest.fixture
def talk(served: Program) -> Iterator[Open]:
    """Opens a websocket at a path of it; they are closed when the test ends."""
    clients: list[Client] = []

    def open_one(path: str) -> Client:
        clients.append(Client(f"ws://{served.address}{path}"))
        return clients[-1]

    yield open_one
    for client in clients:
        if client.connected:
            client.close()


def said(client: Client) -> str | bytes:
    """The next message."""
    message = client.receive(timeout=DEADLINE)
    assert message is not None, "no message came"
    assert isinstance(message, (str, bytes))
    return message


def ask(client: Client, message: str | bytes) -> str | bytes:
    """What it says to that."""
    client.send(message)
    return said(client)


def closed(client: Client) -> tuple[int, str | None]:
    """Code and reason with which the server closes it."""
    with pytest.raises(ConnectionClosed) as found:
        said(client)
    return int(found.value.reason), found.value.message


def raw(program: Program, path: str) -> socket.socket:
    """A connection on which a handshake was made, and nothing else yet."""
    sock = connect(program.address)
    sock.sendall(request(path, *HANDSHAKE))
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101 ")
    return sock


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """A short frame as clients send them, masked with zeros (RFC 6455, section 5.2)."""
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def rest(sock: socket.socket) -> bytes:
    """All that comes until the server closes."""
    found = b""
    while data := sock.recv(4096):
        found += data
    return found


# Talking.


def test_messages_of_every_kind(served: Program, talk: Open) -> None:
    """Text, bytes, nothing, and a megabyte, which is many reads."""
    served.start()
    client = talk("/echo")
    for message in ("hello", "æøå", b"\0\xff", "", "x" * 1_000_000):
        assert ask(client, message) == message


def test_many_messages(served: Program, talk: Open) -> None:
    """A thousand, sent without waiting for their echo: all come back, in their order."""
    served.start()
    client = talk("/echo")
    for number in range(1000):
        client.send(str(number))
    assert [said(client) for _ in range(1000)] == [str(number) for number in range(1000)]


def test_one_may_be_silent_for_long(served: Program, talk: Open) -> None:
    """The time limits between requests are not for a websocket: another client's connection ends meanwhile."""
    served.start(keepalive=1)
    client = talk("/echo")
    with connect(served.address) as other:
        other.sendall(request("/version"))
        assert read_answer(other).status == 200
        assert other.recv(1) == b""  # so much time has passed
    assert ask(client, "still there?") == "still there?"


def test_two_at_once_beside_requests(served: Program, talk: Open) -> None:
    """Neither holds up the other, and neither of them holds up requests."""
    served.start(threads=3)
    clients = [talk("/echo"), talk("/echo")]
    with connect(served.address) as other:
        for number in range(50):
            for client in clients:
                client.send(f"{number} to {id(client)}")
            other.sendall(request("/version"))
            assert read_answer(other).body == b"1"
            assert [said(client) for client in clients] == [f"{number} to {id(client)}" for client in clients]


# Ending.


def test_nothing_follows_the_close_frame(served: Program) -> None:
    """What flask-sock returns after a conversation is no answer, and what its client still sends is no request."""
    served.start()
    with raw(served, "/goodbye") as sock:
        sock.sendall(frame(b"bye"))
        assert rest(sock) == b"\x81\x03bye" + b"\x88\x02\x03\xe8"  # 1000
        sock.sendall(frame(b"\x03\xe8", 8))
    assert "Invalid request" not in served.text()


@pytest.mark.parametrize("debug", [False, True])
def test_one_after_the_other(served: Program, talk: Open, debug: bool) -> None:
    """Two threads are enough for twenty conversations, however they end: none costs a thread, and none stays."""
    served.start(threads=2, debug=debug)
    for number in range(10):
        client = talk("/goodbye")
        assert ask(client, str(number)) == str(number)
        assert closed(client)[0] == 1000
        talk("/echo").close()
    assert served.get("/version").body == b"1"
    assert "Traceback" not in served.text()
    served.restart()
    served.wait_for(r"gen=1 pid=\d+ retired")  # nothing is left that it would wait for


def test_a_client_that_vanishes(served: Program) -> None:
    """No close frame, only the end: its handler hears of it, and the old generation does not wait for it."""
    served.start()
    for _ in range(5):
        raw(served, "/echo").close()
    served.restart()
    served.settle()
    assert "Traceback" not in served.text()


def test_a_handler_that_fails(served: Program) -> None:
    """The log has the traceback; the client gets no error page in the middle of its frames."""
    served.start()
    with raw(served, "/broken") as sock:
        sock.sendall(frame(b"now"))
        assert b"HTTP/" not in rest(sock)
    served.wait_for("RuntimeError: asked to fail: now")
    assert served.get("/version").status == 200


# Restarting.


@pytest.mark.parametrize("path", ["/watching", "/called"])
def test_handlers_learn_of_a_restart_and_clients_come_back(served: Program, talk: Open, path: str) -> None:
    """By `hotswap.draining` or by a callback: the client is told 1001, comes back, and finds the new version."""
    served.start()
    client = talk(path)
    for version in ("1", "2"):
        assert ask(client, "hi") == f"hi from version {version}"
        served.deploy(version=str(int(version) + 1))
        served.restart()
        assert closed(client) == (GOING_AWAY, "restart")
        client = talk(path)
    served.settle()


@pytest.mark.parametrize("path", ["/watching", "/called"])
def test_handlers_learn_of_a_stop(served: Program, talk: Open, path: str) -> None:
    """The same when the server stops, which then need not wait."""
    served.start()
    client = talk(path)
    assert ask(client, "hi") == "hi from version 1"
    assert served.stop() == 0
    assert closed(client) == (GOING_AWAY, "restart")


def test_those_that_do_not_learn_are_waited_for(served: Program, talk: Open) -> None:
    """They go on with the generation they began with, through two restarts, as long as they like."""
    served.start()
    client = talk("/who")
    for version in ("2", "3"):
        served.deploy(version=version)
        served.restart()
        assert served.get("/version").body == version.encode()
        assert ask(client, "hi") == "hi from version 1"
    first = served.pid
    assert first in served.alive()
    client.close()
    served.settle()


def test_but_not_longer_than_retire_timeout(served: Program, talk: Open) -> None:
    """Then they are cut, the log says so, and the old generation is gone: no thread of a library keeps it."""
    served.start(retire_timeout=1)
    client = talk("/who")
    assert ask(client, "hi") == "hi from version 1"
    served.restart()
    with pytest.raises(ConnectionClosed):
        said(client)
    served.settle()
    served.wait_for("gen=1 .*/who")


def test_nor_than_graceful_timeout(served: Program, talk: Open) -> None:
    """The same when the server stops."""
    served.start(graceful_timeout=1)
    client = talk("/who")
    assert ask(client, "hi") == "hi from version 1"
    os.kill(served.serving_pid, 15)
    with pytest.raises(ConnectionClosed):
        said(client)
    eventually(lambda: not served.alive(), "it waits for a websocket")
