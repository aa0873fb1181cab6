"""What a proxy said of its client survives restarts, as its connection does."""

from __future__ import annotations

import json
import socket

from tests.asking import connect, read_answer, request
from tests.harness import Program

HEADER = b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n"
CLIENT, NOBODY = ["203.0.113.7", "TCP4"], ["127.0.0.1", None]


def ask(sock: socket.socket, header: bytes = b"") -> tuple[str, list[str | None]]:
    """Which generation answers, and which client it sees."""
    sock.sendall(header + request("/client"))
    answer = read_answer(sock)
    return answer.headers["x-generation"], json.loads(answer.body)


def test_it_survives_restarts(program: Program) -> None:
    """Each connection keeps its own, or that there was none, over two restarts; half a header is read by the next."""
    program.start(proxy_protocol="auto")
    with connect(program.address) as named, connect(program.address) as plain, connect(program.address) as half:
        assert ask(named, HEADER) == ("1", CLIENT)
        assert ask(plain) == ("1", NOBODY)
        half.sendall(HEADER[:20])
        for generation in ("2", "3"):
            program.restart()
            assert ask(named) == (generation, CLIENT)
            assert ask(plain) == (generation, NOBODY)
        assert ask(half, HEADER[20:]) == ("3", CLIENT)
    program.settle()
    assert program.stop() == 0


def test_a_generation_that_reads_it_otherwise_gets_no_connection(program: Program) -> None:
    """What it would take for a header, or not, is finished by the one that has read it."""
    program.start(proxy_protocol="auto")
    with connect(program.address) as sock:
        assert ask(sock, HEADER) == ("1", CLIENT)
        program.deploy(proxy_protocol="off")
        program.restart()
        assert sock.recv(1) == b""  # after a moment, and well
    with connect(program.address) as sock:
        assert ask(sock) == ("2", NOBODY)
    program.settle()
    assert program.stop() == 0
