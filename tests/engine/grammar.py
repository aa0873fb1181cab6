"""Requests for property tests: built by the rules, and then, most of them, spoilt a little."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

AFTER = b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n"  #: what must not be framed wrongly, whatever comes before

_METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"BREW"])
_TARGETS = st.sampled_from([b"/", b"/a?b", b"*", b"http://a/b", b"a:80", b"/%41", b"/a#b", b"//"])
_VERSIONS = st.sampled_from([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0"])
_FIELDS = st.sampled_from(
    [
        b"Connection: close", b"Connection: keep-alive", b"Connection: keep-alive, close", b"Connection: x",
        b"Connection: Upgrade", b"Upgrade: websocket", b"Expect: 100-continue", b"Expect: x", b"Host: b", b"X: y",
        b"x: \t z ", b"X_Y: z", b"Content-Type: a/b", b"X-Forwarded-Proto: https", b"X-Forwarded-Ssl: off",
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity",
        b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding: chunked, chunked", b"Transfer_Encoding: chunked",
        b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: 05", b"Content-Length: +5", b"Content-Length:",
        b"Content-Length: 5, 5", b"Content-Length: 18446744073709551621", b"Content_Length: 5", b"X: \xe9", b": a",
    ]
)  # fmt: skip
#: What a mutation puts in: bytes that parsers differ over, and pieces that mean something.
_SPOILS = st.sampled_from(
    [
        b"\r", b"\n", b"\r\n", b"\n\r", b"\r\n\r\n", b"\0", b" ", b"\t", b"\x0b", b"\x0c", b"\x7f", b"\x80", b"\xff",
        b":", b";", b",", b"0", b"1", b"5", b"-", b"+", b"_", b'"', b"\\", b"/", b"#", b"0\r\n\r\n", b"5\r\n", b"0x",
        b"chunked", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 3\r\n", b"Host: b\r\n", b"X: y\r\n",
        b"GET /in HTTP/1.1\r\nHost: a\r\n\r\n", b"f" * 16, b"HTTP/1.1",
    ]
)  # fmt: skip
_SIZES = st.sampled_from([b"%x", b"%X", b"0%x", b"%x;a=b", b'%x;a="b c"', b"%x ;a", b"%016x"])
_TRAILERS = st.sampled_from([b""] * 4 + [b"X-Sum: 1\r\n", b"Host: b\r\n", b"x\r\n"])
_PAYLOADS = st.sampled_from([b"a", b"abcde", b"0\r\n\r\n", b"\r\n", AFTER, b"x" * 300])


@st.composite
def _chunked(draw: st.DrawFn) -> bytes:
    coded = b"".join(
        draw(_SIZES) % len(payload) + b"\r\n" + payload + b"\r\n" for payload in draw(st.lists(_PAYLOADS, max_size=3))
    )
    return coded + draw(st.sampled_from([b"0", b"0", b"000", b"0;a"])) + b"\r\n" + draw(_TRAILERS) + b"\r\n"


@st.composite
def good_requests(draw: st.DrawFn) -> bytes:
    """One request as the rules want it, that keeps its connection open."""
    lines = [draw(st.sampled_from([b"GET", b"POST", b"BREW"])) + b" /good?a=b HTTP/1.1", b"Host: a"]
    lines += draw(st.lists(st.sampled_from([b"X: y", b"x: \t z ", b"X_Y: z", b"Expect: 100-continue"]), unique=True))
    framing = draw(st.sampled_from(["none", "length", "chunked"]))
    body = b""
    if framing == "length":
        body = draw(_PAYLOADS)
        lines.append(b"Content-Length: %d" % len(body))
    elif framing == "chunked":
        body = draw(_chunked().filter(lambda coded: b"Host: b" not in coded and not coded.endswith(b"x\r\n\r\n")))
        lines.append(b"Transfer-Encoding: chunked")
    return b"\r\n".join([*draw(st.permutations(lines[1:]).map(lambda rest: [lines[0], *rest])), b"", b""]) + body


@st.composite
def _near_requests(draw: st.DrawFn) -> bytes:
    """One whose parts are right, and perhaps do not fit together."""
    start = draw(_METHODS) + b" " + draw(_TARGETS) + b" " + draw(_VERSIONS)
    fields = draw(st.permutations([b"Host: a", *draw(st.lists(_FIELDS, max_size=3))]))
    body = draw(st.one_of(st.just(b""), _PAYLOADS, _chunked()))
    return b"\r\n".join([start, *fields, b"", b""]) + body


@st.composite
def _spoilt(draw: st.DrawFn, requests: st.SearchStrategy[bytes]) -> bytes:
    """A stream with up to three places changed: something put in, taken out, or put in the place of a byte."""
    data = draw(requests)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.sampled_from([0, 0, 1, 1, 2, 4]))
        data = data[:at] + draw(st.one_of(st.just(b""), _SPOILS)) + data[at + cut :]
    return data


def streams() -> st.SearchStrategy[bytes]:
    """Requests of both kinds, spoilt or not, one behind the other, and at the end the one to be framed rightly."""
    one = st.one_of(good_requests(), _near_requests(), _spoilt(good_requests()), _spoilt(_near_requests()))
    return st.lists(one, min_size=1, max_size=3).map(lambda requests: b"".join([*requests, AFTER]))


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` cut at these places, each a number that is taken modulo its length."""
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


CUTS = st.lists(st.integers(0, 10_000), max_size=4)
