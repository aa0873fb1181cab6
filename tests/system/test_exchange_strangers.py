"""What should not be in the exchange: other versions, garbage. It costs no other connection anything."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotswap.handover.exchange import Exchange
from hotswap.handover.wire import MAX_MESSAGE, VERSION, ExchangeError, pack
from tests.system.exchange_connections import close, connections, open_fds


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    made = Exchange.create()
    yield made
    made.close()


def raw_send(exchange: Exchange, payload: bytes, fds: list[int]) -> None:
    """What another version, or a madman, may put in the queue."""
    with socket.socket(fileno=os.dup(exchange.send_fd)) as sender:
        socket.send_fds(sender, [payload], fds)


def one(length: object = 0, **more: object) -> str:
    """The description of one connection."""
    return json.dumps([{"listener": "x", "length": length, **more}])


def frame(description: str | bytes, data: bytes = b"", *, version: int = VERSION, count: int = 1) -> bytes:
    """A message, as right or wrong as its parts."""
    raw = description.encode() if isinstance(description, str) else description
    return struct.pack("<HHI", version, count, len(raw)) + raw + data


def test_fields_of_a_newer_version(exchange: Exchange) -> None:
    """Fields that are not known are ignored, those that are missing have defaults."""
    clients, passed = connections(1)
    raw_send(exchange, frame(one(2, tls=None), b"ab"), [passed[0].fd])
    received = exchange.receive()
    assert received
    assert (received[0].listener, received[0].data, received[0].proxy) == ("x", b"ab", "")
    close(clients=clients, passed=[*passed, *received])


@pytest.mark.parametrize(
    ("payload", "cause"),
    [
        (frame(one(), version=2), "is of version 2, not 1"),
        (b"\2\0anything else a version 2 may be", "is of version 2, not 1"),
        (b"x", "garbage"),
        (frame("[{]"), "garbage"),
        (frame("[" * 50_000), "garbage"),
        (frame(b"\xff"), "garbage"),
        (frame("{}"), "count"),
        (frame("[]", count=0), "has 1 connections, not 0"),
        (
            frame('[{"listener": "x", "length": 0}, {"listener": "x", "length": 0}]', count=2),
            "has 1 connections, not 2",
        ),
        (frame(one(), count=2), "count"),
        (frame("[7]"), "no listener"),
        (frame('[{"listener": "x"}]'), "no listener"),
        (frame('[{"listener": 7, "length": 0}]'), "described with garbage"),
        (frame(one(1)), "described with garbage"),
        (frame(one(-1), b"abc"), "described with garbage"),
        (frame(one(True), b"abc"), "described with garbage"),
        (frame(one(1e99), b"abc"), "described with garbage"),
        (frame(one(proxy=[])), "described with garbage"),
        (frame(one(), bytes(MAX_MESSAGE)), "longer than"),
    ],
)
def test_message_that_cannot_be_read(exchange: Exchange, payload: bytes, cause: str) -> None:
    """Its connection is closed, the error says why, and the next message is received as ever."""
    (stranger, client), passed = connections(2)
    before = open_fds()
    raw_send(exchange, payload, [passed[0].fd])
    os.close(passed[0].fd)
    with pytest.raises(ExchangeError, match=cause):
        exchange.receive()
    assert stranger.recv(1) == b""
    assert open_fds() == before - 1
    assert exchange.send(pack(passed[1:])[0])
    received = exchange.receive()
    assert received
    assert received[0].data == b"1"
    close(clients=[stranger, client], passed=received)


def test_message_without_connections(exchange: Exchange) -> None:
    """A message about nothing is nothing."""
    raw_send(exchange, frame("[]", count=0), [])
    assert exchange.receive() == []


@settings(max_examples=150)
@given(st.binary(min_size=1, max_size=200) | st.builds(frame, st.text() | st.binary(), st.binary()))
def test_any_message(payload: bytes) -> None:
    """Whatever lies in the queue is received or is an ExchangeError, and never costs a descriptor."""
    exchange = Exchange.create()
    read, write = os.pipe()
    before = open_fds()
    raw_send(exchange, payload, [read, read, write])
    try:
        close(passed=exchange.receive())
    except ExchangeError:
        pass  # as good an answer
    assert exchange.receive() is None
    assert open_fds() == before
    exchange.close()
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("kind", ["pipe", "tcp", "stream", "closed"])
def test_handoff_of_something_else(kind: str) -> None:
    """What is no end of an exchange is refused with its number and left open."""
    one, two = socket.socketpair() if kind == "stream" else (socket.socket(), socket.socket())
    read, write = os.pipe()
    fd = {"pipe": read, "tcp": one.fileno(), "stream": one.fileno(), "closed": 987_654}[kind]
    exchange = Exchange.create()
    with pytest.raises(ExchangeError, match=f"descriptor {fd} is not"):
        Exchange(exchange.send_fd, fd)
    exchange.close()
    for sock in (one, two):
        sock.close()
    os.close(read)
    os.close(write)
