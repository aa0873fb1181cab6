"""The decoder of chunked bodies: its verdicts are those of the WSGI engine's, however the bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from gunicorn.http.errors import NoMoreData, ParseException
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hotswap.engine.http1.body import Collector, decode_chunked
from hotswap.engine.http1.chunk_decoder import ChunkDecoder
from hotswap.engine.http1.error_page import Refusal
from hotswap.engine.http1.request import CHUNKED
from hotswap.engine.http1.strict_reader import Trailers
from tests.engine.entries import entries
from tests.engine.grammar import CUTS, pieces
from tests.engine.http1.parsing import Parser

PARSER = Parser()
SMALL = Parser(limit_request_field_size=30, limit_request_fields=2)
HEAD = b"\r\n\r\n"
BODIES = [entry.data.partition(HEAD)[2] for entry in entries() if b"chunked" in entry.data.partition(HEAD)[0]]
Outcome = tuple[str, bytes, bytes]


def decoded(parts: list[bytes], parser: Parser = PARSER) -> Outcome:
    """("whole", content, what lies behind), ("more", content so far, b"") or ("refused", b"", b"")."""
    decoder = ChunkDecoder(parser.limits, Trailers(parser.options, parser.limits))
    content = b""
    try:
        for number, part in enumerate(parts):
            piece, rest = decoder.feed(part)
            content += piece
            if rest is not None:
                return "whole", content, rest + b"".join(parts[number + 1 :])
    except Refusal as refusal:
        return ("refused" if refusal.code == 400 and len(str(refusal)) < 200 else repr(refusal)), b"", b""
    return "more", content, b""


def collected(data: bytes, parser: Parser = PARSER) -> Outcome:
    """The same by the WSGI engine's code, which tells no content of a body that is not whole."""
    collector = Collector(CHUNKED)
    rest = collector.feed(data)
    if rest is None:
        return "more", b"", b""
    try:
        return "whole", decode_chunked(collector.raw(), Trailers(parser.options, parser.limits)), rest
    except (ParseException, NoMoreData):
        return "refused", b"", b""


def agree(data: bytes, cuts: list[int], parser: Parser = PARSER) -> None:
    """Whole, in pieces, and byte by byte the same; and what the WSGI engine says, or sooner."""
    ours, theirs = decoded([data], parser), collected(data, parser)
    assert decoded(pieces(data, cuts), parser) == ours
    assert decoded([data[at : at + 1] for at in range(len(data))], parser) == ours
    if theirs[0] == "more":
        assert ours[0] in ("more", "refused")
    else:
        assert ours == theirs


@pytest.mark.parametrize("data", BODIES, ids=lambda data: repr(data[:20]))
def test_the_corpus(data: bytes) -> None:
    """Each body with something behind it, and cut after every byte."""
    agree(data + b"next", [])
    for end in range(min(len(data), 500)):
        agree(data[:end], [])


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX: t\r\n\r\nGET", ("whole", b"abcde", b"GET")),
        (b"0\r\n\r\n", ("whole", b"", b"")),
        (b'00A ; a = "b;\\""\r\n0123456789\r\n0\r\n\r\n', ("whole", b"0123456789", b"")),
        (b"3\r\nab", ("more", b"ab", b"")),
        (b"3\r\nabc", ("more", b"abc", b"")),
        (b"3\r\nabc\r", ("more", b"abc", b"")),
        (b"0\r\nX: t\r\n", ("more", b"", b"")),
        (b"3\r\nabcd\r\n", ("refused", b"", b"")),
        (b"3\r\nabc\n", ("refused", b"", b"")),
        (b"3\r\nabc\rx", ("refused", b"", b"")),
        (b"3 \r\nabc", ("refused", b"", b"")),
        (b"3;\rx\r\nabc", ("refused", b"", b"")),
        (b"\r\n", ("refused", b"", b"")),
        (b"+3\r\nabc", ("refused", b"", b"")),
        (b"7fffffffffffffff\r\nabc", ("more", b"abc", b"")),
        (b"8000000000000000\r\nabc", ("refused", b"", b"")),
        (b"0\r\nX: t\n", ("refused", b"", b"")),
        (b"0\r\nX\r\n\r\n", ("refused", b"", b"")),
        (b"0\r\nContent-Length: 3\r\n\r\n", ("refused", b"", b"")),
        (b"0\r\n\n\r\n", ("refused", b"", b"")),
    ],
)
def test_verdicts(data: bytes, outcome: Outcome) -> None:
    """In one piece and byte by byte."""
    assert decoded([data]) == outcome
    assert decoded([data[at : at + 1] for at in range(len(data))]) == outcome


@pytest.mark.parametrize("over", [-1, 0, 1, 2])
def test_limits(over: int) -> None:
    """At the limit of a line, and of the trailer section: exact, and the same however the bytes are cut."""
    refused = ("refused", b"", b"")
    line = b"1;" + b"x" * (SMALL.limits.field_size - 2 + over)
    good = ("whole", b"a", b"") if over <= 0 else refused
    for cut in (0, 1, len(line) - 1, len(line), len(line) + 1, len(line) + 2):
        data = line + b"\r\na\r\n0\r\n\r\n"
        assert decoded([data[:cut], data[cut:]], SMALL) == good
    roomy = PARSER.limits._replace(line=0, fields=2, field_size=20)  # Limits.head is 48
    trailers = b"X: " + b"y" * (roomy.head - 3 + over)
    parser = Parser(limit_request_field_size=100)
    parser.limits = roomy
    for cut in range(4, len(trailers) + 8):
        data = b"0\r\n" + trailers + HEAD
        decoder = ChunkDecoder(roomy, Trailers(parser.options, PARSER.limits))
        if over <= 0:
            assert decoder.feed(data)[1] == b""
            break
        with pytest.raises(Refusal, match="the trailer section is longer than 48 bytes"):
            assert [decoder.feed(data[:cut]), decoder.feed(data[cut:])]


def test_a_line_without_an_end_is_not_waited_for() -> None:
    """Nor is a trailer section; what is kept of them is bounded."""
    decoder = ChunkDecoder(PARSER.limits, Trailers(PARSER.options, PARSER.limits))
    assert decoder.feed(b"5" * 8000) == (b"", None)
    with pytest.raises(Refusal, match="the first line of a chunk is longer than 8190 bytes"):
        decoder.feed(b"5" * 8000)


@settings(max_examples=600, derandomize=True)
@given(
    st.lists(
        st.sampled_from(
            [b"3\r\nabc\r\n", b"A;x=y\r\n0123456789\r\n", b"0\r\n", b"\r\n", b"X: y\r\n", b"GET / HTTP/1.1\r\n",
             b"3\r\n", b"abc", b"\r", b"\n", b";", b"0", b"f" * 16, b"x", b" ", b'"', b"Host: a\r\n"]
        ),
        min_size=1, max_size=8,
    ).map(b"".join),
    CUTS,
)  # fmt: skip
@example(b"1\r\na\r\n0\r\nX: y\r\n\r\n0", [3, 9, 14])
def test_any_cutting_gives_the_same(data: bytes, cuts: list[int]) -> None:
    """And the verdict is the WSGI engine's, with small limits, too."""
    for parser in (PARSER, SMALL):
        agree(data, cuts, parser)


def test_pieces_are_handed_out_as_they_come() -> None:
    """Without waiting for the chunk's end, and joined where one feeding holds several."""
    decoder = ChunkDecoder(PARSER.limits, Trailers(PARSER.options, PARSER.limits))
    data = b"6\r\nabcdef\r\n3\r\nghi\r\n2\r\njk\r\n0\r\n\r\n"
    found = [decoder.feed(data[start:end])[0] for start, end in pairwise((0, 5, 9, 15, len(data)))]
    assert found == [b"ab", b"cdef", b"g", b"hijk"]
