"""Bodies of requests: where they end, what is in them, and how an application reads one from its client."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest
from gunicorn.http.errors import NoMoreData, ParseException

from hotswap.engine.http1.body import ChunkScan, Collector, WholeCollector, decode_chunked
from hotswap.engine.http1.strict_reader import Trailers
from hotswap.engine.transport.blocking_io import BodyTimeout, Disconnected, Source, Stream, receive, send_all
from tests.engine.engine_server import DEADLINE
from tests.engine.http1.parsing import Parser

PARSER = Parser()
CHUNKED = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX: t\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def trailers() -> Trailers:
    """What gunicorn's reader of chunks asks for."""
    return Trailers(PARSER.options, PARSER.limits)


# In memory.


@pytest.mark.parametrize("cut", range(len(CHUNKED) + 1))
def test_the_end_of_a_chunked_body_is_found(cut: int) -> None:
    """Wherever it is cut, and what lies behind it is not touched."""
    collector = Collector(-1)
    first = collector.feed(CHUNKED[:cut])
    if first is None:
        assert collector.feed(CHUNKED[cut:] + b"next") == b"next"
    else:
        assert cut == len(CHUNKED)
    assert collector.raw() == CHUNKED
    assert decode_chunked(collector.raw(), trailers()) == b"abcde"


@pytest.mark.parametrize("line", [b"x\r\n", b"+5\r\n", b"\r\n", b"8000000000000000\r\n"])
def test_a_size_that_is_none_is_the_end(line: bytes) -> None:
    """The decoder says what is wrong with it."""
    assert ChunkScan().feed(line + b"more") == len(line)
    with pytest.raises((ParseException, NoMoreData)):
        decode_chunked(line, trailers())


def test_a_size_line_without_an_end_is_not_waited_for() -> None:
    """Not longer than any decoder would take it."""
    scan = ChunkScan()
    assert scan.feed(b"5" * 10_000) == -1
    assert scan.feed(b"5" * 10_000) == 10_000


def test_a_body_of_known_length_is_collected() -> None:
    """In pieces; as much is asked for as is missing, within reason."""
    collector = Collector(10_000)
    assert collector.wanted() == 10_000
    assert collector.feed(b"x" * 9_000) is None
    assert collector.wanted() == 4096
    assert collector.footprint == 9_000
    assert collector.feed(b"x" * 1_000 + b"next") == b"next"
    assert (collector.size, collector.raw()) == (10_000, b"x" * 10_000)
    assert collector.file().read() == b"x" * 10_000
    assert Collector(1 << 30).wanted() == Collector(-1).wanted() == 1 << 18


def test_a_body_in_one_piece() -> None:
    """What lies behind it is not its own; the application may close its file."""
    collector = WholeCollector(10)
    assert collector.feed(b"01234") is None
    assert (collector.size, collector.footprint, collector.raw()) == (5, 10, b"01234")
    assert collector.feed(b"56789next") == b"next"
    file = collector.file()
    assert file.readline() == b"0123456789"
    file.close()


def test_only_a_long_one_of_known_length_is_worth_one_piece() -> None:
    assert [WholeCollector.is_for(length) for length in (-1, 0, 65535, 65536)] == [False, False, False, True]


def test_it_is_received_where_it_is_read(pair: tuple[socket.socket, socket.socket]) -> None:
    """Never more than is its own; the end of the connection is no body."""
    client, server = pair
    collector = WholeCollector(10)
    with pytest.raises(BlockingIOError):
        collector.receive(server)
    client.sendall(b"0123456789next")
    assert collector.receive(server) == 10
    assert collector.feed(b"") == b""
    assert server.recv(10) == b"next"
    client.close()
    assert WholeCollector(10).receive(server) == 0
    assert collector.file().read() == b"0123456789"


# From a socket. A socket pair needs no server at its other end: the test is the client.


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The client's end, and the engine's, which does not block."""
    client, server = socket.socketpair()
    client.settimeout(DEADLINE)
    server.setblocking(False)
    with client, server:
        yield client, server


Pair = tuple[socket.socket, socket.socket]


def stream(pair: Pair, length: int, received: bytes = b"", *, expect: bool = False, timeout: float = 0.0) -> Stream:
    """The body of a request whose first bytes came with its head."""
    return Stream(Source(pair[1], received, timeout, expect=expect), length, trailers())


def test_an_application_reads_what_came_and_what_comes(pair: Pair) -> None:
    """To the end of the body, and not into the next request."""
    body = stream(pair, 6, b"abc")
    pair[0].sendall(b"defGET")
    assert not body.complete()
    assert body.file.read() == b"abcdef"
    assert body.complete()
    assert body.settle(0)
    assert body.rest() == b"GET"


def test_an_application_reads_chunks(pair: Pair) -> None:
    """The last chunk and the trailers are the body's, too."""
    body = stream(pair, -1, CHUNKED[:5])
    pair[0].sendall(CHUNKED[5:] + b"GET")
    assert not body.complete()
    assert body.file.read(2) == b"ab"
    assert body.settle(10)
    assert (body.complete(), body.rest()) == (True, b"GET")


def test_continue_is_sent_when_the_application_reads(pair: Pair) -> None:
    """Once, and not where the body has begun to come."""
    body = stream(pair, 2, expect=True)
    pair[0].sendall(b"ab")
    assert body.file.read(1) == b"a"
    assert body.file.read() == b"b"
    assert pair[0].recv(100) == CONTINUE
    assert not Source(pair[1], b"a", 0.0, expect=True).expect


@pytest.mark.parametrize(
    ("length", "received", "expect", "settles"),
    [
        (3, b"abc", False, True),
        (3, b"ab", False, False),  # the rest has not come
        (11, b"a" * 11, False, False),  # more than is thrown away
        (3, b"", True, False),  # the client waits for a word that it does not get any more
        (-1, CHUNKED, False, True),
        (-1, CHUNKED[:-2], False, False),
        (-1, b"nonsense\r\n", False, False),
    ],
)
def test_what_is_not_read_is_thrown_away_if_it_is_small_and_here(
    pair: Pair, length: int, received: bytes, expect: bool, settles: bool
) -> None:
    """If not, the connection cannot be used again. Nothing is waited for."""
    body = stream(pair, length, received, expect=expect, timeout=DEADLINE)
    assert body.settle(10) is settles
    assert body.complete() is settles
    pair[1].close()
    assert pair[0].recv(1) == b""  # no 100 Continue, before or after


def test_a_body_that_cannot_be_read_is_not_complete(pair: Pair) -> None:
    """Also where the application has seen the error already."""
    body = stream(pair, -1, b"nonsense\r\n")
    with pytest.raises(ParseException):
        body.file.read()
    assert not body.complete()


def test_a_client_that_goes_away(pair: Pair) -> None:
    """By its end, or by a reset, in reading and in writing."""
    body = stream(pair, 5, b"ab")
    pair[0].close()
    with pytest.raises(Disconnected, match="before its request body was complete"):
        body.file.read()
    with pytest.raises(Disconnected, match="Broken pipe"):
        send_all(pair[1], b"x", 0.0)
    pair[1].close()
    with pytest.raises(Disconnected, match="Bad file descriptor"):
        receive(pair[1], 1, 0.0)


def test_a_client_that_stops_sending(pair: Pair) -> None:
    """Its deadline is told from its going away."""
    with pytest.raises(BodyTimeout, match="stopped sending"):
        receive(pair[1], 1, 0.0)


def test_a_client_that_comes_in_time(pair: Pair) -> None:
    """What arrives before the deadline is waited for."""
    waited: list[bool] = []

    class Slow:
        """The engine's end, whose client speaks just after the first look."""

        def fileno(self) -> int:
            return pair[1].fileno()

        def recv(self, size: int) -> bytes:
            try:
                return pair[1].recv(size)
            finally:
                if not waited:
                    waited.append(True)
                    pair[0].sendall(b"late")

    assert receive(Slow(), 10, DEADLINE) == b"late"  # type: ignore[arg-type]


def test_a_client_that_stops_reading(pair: Pair) -> None:
    """The caller hears of the first wait, and of that only; what the client takes makes room for more."""
    waits: list[int] = []
    pair[0].setblocking(False)

    def take_all() -> None:
        waits.append(0)
        with contextlib.suppress(BlockingIOError):
            while data := pair[0].recv(1 << 16):
                waits[-1] += len(data)

    with pytest.raises(Disconnected, match="stopped reading"):
        send_all(pair[1], bytes(1 << 20), 0.0, take_all)
    (taken,) = waits
    assert 0 < taken < 1 << 20
    with pytest.raises(Disconnected, match="stopped reading"):
        send_all(pair[1], b"x" * (1 << 20), 0.0)
