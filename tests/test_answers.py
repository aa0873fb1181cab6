"""The answer reader of the load clients: whole answers however they arrive, and no ambiguous one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traffic.answers import Answer, AnswerReader, MalformedAnswer

GOOD = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", False),
    (b"HTTP/1.1 200 \r\ncontent-length:  0 \r\n\r\n", 200, b"", False),
    (b"HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\nConnection: Close\r\n\r\nx", 404, b"x", True),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", False),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 304, b"", False),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny", 200, b"y", False),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nz", 200, b"z", True),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nz", 200, b"z", False),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n",
     200, b"abc0123456789", False),
]  # fmt: skip


def read(data: bytes, *cuts: int) -> tuple[list[Answer], AnswerReader]:
    """The answers found in data that arrives cut at these places, in any order of cuts."""
    reader, found = AnswerReader(), []
    places = [0, *sorted(cuts), len(data)]
    for start, end in itertools.pairwise(places):
        reader.feed(data[start:end])
        while (answer := reader.next()) is not None:
            found.append(answer)
    return found, reader


@pytest.mark.parametrize(("data", "status", "body", "closes"), GOOD)
def test_an_answer_is_the_same_wherever_it_is_cut(data: bytes, status: int, body: bytes, closes: bool) -> None:
    """Every cut of an answer in two gives the same answer, and no byte is left over."""
    for cut in range(len(data) + 1):
        found, reader = read(data, cut)
        assert [(a.status, a.body, a.closes) for a in found] == [(status, body, closes)]
        assert not reader.began


@given(st.lists(st.sampled_from(GOOD), max_size=6), st.lists(st.integers(0, 600), max_size=8))
def test_answers_on_one_connection_stay_apart(parts: list[tuple[bytes, int, bytes, bool]], cuts: list[int]) -> None:
    """Several answers one after the other, cut anywhere, are found one by one and in order."""
    data = b"".join(part[0] for part in parts)
    found, reader = read(data, *[min(cut, len(data)) for cut in cuts])
    assert [(a.status, a.body, a.closes) for a in found] == [part[1:] for part in parts]
    assert not reader.began


@pytest.mark.parametrize(("data", "status", "body", "closes"), GOOD)
def test_a_truncated_answer_is_never_whole(data: bytes, status: int, body: bytes, closes: bool) -> None:
    """Any proper beginning of an answer gives nothing, also when the peer then closes."""
    for cut in range(1, len(data)):
        found, reader = read(data[:cut])
        assert (found, reader.end()) == ([], None)


def test_a_body_may_last_until_the_close_if_that_is_announced() -> None:
    """`Connection: close` without a length: the answer is whole when the peer closes."""
    found, reader = read(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it")
    assert found == []
    answer = reader.end()
    assert answer is not None
    assert (answer.body, answer.closes) == (b"all of it", True)


HEADS = [
    b"HTTP/2 200 OK",
    b"HTTP/1.1 20 OK",
    b"http/1.1 200 OK",
    b"HTTP/1.1 600 What",
    b"hello",
    b"HTTP/1.1 200 OK\nContent-Length: 0",
    b"HTTP/1.1 200 OK\r\nContent-Length : 0",
    b"HTTP/1.1 200 OK\r\n Content-Length: 0",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n folded",
    b"HTTP/1.1 200 OK\r\nContent-Length: +1",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
    b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0",
    b"HTTP/1.1 200 OK",
]


@pytest.mark.parametrize("head", HEADS)
def test_a_head_that_is_wrong_or_ambiguous_is_malformed(head: bytes) -> None:
    """What two readers could understand differently is not taken for an answer."""
    with pytest.raises(MalformedAnswer):
        read(head + b"\r\n\r\n")


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\n",
        b"-1\r\n\r\n",
        b"3;ext\r\nabc\r\n",
        b"3\r\nabcd\r\n",
        b"0\r\nTrailer: x\r\n\r\n",
        b"0x3\r\nabc\r\n",
        b"\r\n",
        b"000000000003\r\nabc\r\n",
        b"99999999999999",
    ],
)
def test_chunks_that_are_wrong_are_malformed(body: bytes) -> None:
    """Chunk sizes are hexadecimal digits and nothing else, and each chunk ends where it says."""
    with pytest.raises(MalformedAnswer):
        read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)


def test_a_head_without_an_end_is_malformed() -> None:
    """A server that never ends its head does not fill the memory of the client."""
    with pytest.raises(MalformedAnswer):
        read(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000)
