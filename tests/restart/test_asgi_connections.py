"""Connections of an ASGI application over two restarts: idle ones, ones with half a head, and pipelined requests."""

from __future__ import annotations

import socket

import pytest

from tests.asking import read_answer, request
from tests.eventually import eventually
from tests.harness import Program
from tests.many_connections import ManyConnections
from tests.restart.clusters import settle
from tests.restart.gates import open_gate
from tests.traffic.answers import Answer, AnswerReader

#: How many workers, and which loop: what moves connections knows neither.
BOTH = pytest.mark.parametrize(("number", "loop"), [(0, "uvloop"), (2, "asyncio")], ids=["single", "workers"])
#: As many as an application's threads, of which each stands at a gate.
_CLIENTS = 4
HEAD = request("/version", "X-Padding: " + "x" * 50)


def read_answers(client: socket.socket, count: int) -> list[Answer]:
    """The next ones, which may have come together."""
    reader, found = AnswerReader(), list[Answer]()
    while len(found) < count:
        answer = reader.next()
        if answer is not None:
            found.append(answer)
        elif data := client.recv(65536):
            reader.feed(data)
        else:
            raise EOFError(f"closed behind {len(found)} answers")
    return found


def restarted(program: Program, generation: int) -> None:
    """The next version serves, and the one before has gone."""
    program.deploy(version=str(generation))
    program.restart()
    settle(program)


@pytest.mark.timeout(180)
def test_ten_thousand_idle_ones(program: Program) -> None:
    """None is lost or closed, handed over or handed over again."""
    program.start(app="asgi", asgi_loop="uvloop", worker_connections=20_000)
    with ManyConnections(program.address, 10_000) as clients:
        for generation in (1, 2, 3):
            if generation > 1:
                restarted(program, generation)
                assert clients.readable() == 0
            assert clients.get("/version") == {str(generation).encode(): 10_000}
    program.settle()


@BOTH
def test_half_a_head(program: Program, number: int, loop: str) -> None:
    """A third of it comes in each generation, and the last one answers."""
    program.start(app="asgi", workers=number, asgi_loop=loop)
    size = len(HEAD) // 3
    with ManyConnections(program.address, 100) as clients:
        clients.send(HEAD[:size])
        # Those that were asked later have been answered, so what came before has been read.
        assert program.get("/version").status == 200
        restarted(program, 2)
        clients.send(HEAD[size : 2 * size])
        assert program.get("/version").status == 200
        restarted(program, 3)
        assert clients.readable() == 0
        clients.send(HEAD[2 * size :])
        answers = [read_answer(client) for client in clients.socks]
        assert {(answer.status, answer.closes, answer.body) for answer in answers} == {(200, False, b"3")}
        assert clients.get("/version") == {b"3": 100}
    program.stop()


@BOTH
def test_pipelined_requests(program: Program, number: int, loop: str) -> None:
    """Each is called once and answered in its turn, by the generation that has the connection then."""
    program.start(app="asgi", workers=number, asgi_loop=loop)
    gates = ("one", "two", "three")
    with ManyConnections(program.address, _CLIENTS) as clients, ManyConnections(program.address, 20) as idle:
        for who, client in enumerate(clients.socks):
            client.sendall(b"".join(request(f"/gated/{gate}") + request(f"/echo/{who}-{gate}") for gate in gates))
        for generation, gate in enumerate(gates, 1):
            program.wait_for(rf"(?s)(at gate {gate}\n.*){{{_CLIENTS}}}")
            if generation < 3:
                program.deploy(version=str(generation + 1))
                program.restart()
                # Each process of the old generation has some of these: they tell when all of them have begun to leave.
                eventually(lambda: set(idle.get("/version")) == {b"%d" % (generation + 1)}, "some have not left")  # noqa: B023
            open_gate(program, gate)
        for who, client in enumerate(clients.socks):
            answers = read_answers(client, 6)
            assert {(answer.status, answer.closes) for answer in answers} == {(200, False)}
            assert [answer.body.decode().split()[0] for answer in answers[1::2]] == [f"{who}-{gate}" for gate in gates]
            by = [answer.headers["x-generation"] for answer in answers]
            assert by[::2] == ["1", "2", "3"]
            assert by == sorted(by)
        settle(program)
        assert clients.get("/version") == {b"3": _CLIENTS}
    assert program.text().count("at gate ") == 3 * _CLIENTS
    program.stop()
