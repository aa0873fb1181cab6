"""Connections of an ASGI application over two restarts: idle ones, ones with half a head, and pipelined requests."""

from __future__ import annotations

import re
import socket

import pytest

from tests.asking import read_answer, request
from tests.harness import Program
from tests.many_connections import ManyConnections
from tests.restart.clusters import settle
from tests.traffic.answers import Answer, AnswerReader

#: How many workers, and which loop: what moves connections knows neither.
BOTH = pytest.mark.parametrize(("number", "loop"), [(0, "uvloop"), (2, "asyncio")], ids=["single", "workers"])
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
    count, seen = 8, set[int]()
    with ManyConnections(program.address, 20) as clients:
        for who, client in enumerate(clients.socks):
            pairs = [request("/slow/0.2") + request(f"/echo/{who}-{at}") for at in range(count)]
            client.sendall(b"".join(pairs))
        program.wait_for("slow 0.2 began")
        for generation in (2, 3):
            program.deploy(version=str(generation))
            program.restart()
        for who, client in enumerate(clients.socks):
            answers = read_answers(client, 2 * count)
            assert {(answer.status, answer.closes) for answer in answers} == {(200, False)}
            expected = [text for at in range(count) for text in ("waited 0.2", f"{who}-{at}")]
            assert [answer.body.decode().partition(" version=")[0] for answer in answers] == expected
            by = [int(answer.headers["x-generation"]) for answer in answers]
            assert by == sorted(by)
            seen.update(by)
        assert seen == {1, 2, 3}
        settle(program)
        assert clients.get("/version") == {b"3": 20}
    assert len(re.findall(r"slow 0\.2 began", program.text())) == 20 * count
    program.stop()
