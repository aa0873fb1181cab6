"""Which parser takes heads apart, and that the one in Python takes what browsers, tools and proxies send."""

from __future__ import annotations

import pytest

from hotswap.engine.http1.begun_head import may_go_on
from hotswap.engine.http1.head_parser import HeadParser, choose
from tests.engine.http1.parsing import Parser

PARSERS = [choose({}), choose({"HOTSWAP_PURE": "1"})]
CURL = b"GET /curl HTTP/1.1\r\nHost: 127.0.0.1:4242\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n"
FIREFOX = b"\r\n".join(
    [
        b"GET /firefox?a=%20b&c HTTP/1.1", b"Host: www.example.com",
        b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", b"Accept-Language: de,en;q=0.5",
        b"Accept-Encoding: gzip, deflate, br, zstd", b"Connection: keep-alive",
        b"Cookie: session=eyJhbGciOiJIUzI1NiJ9.abc; theme=dark", b"Upgrade-Insecure-Requests: 1",
        b"Sec-Fetch-Dest: document", b"Priority: u=0, i", b"", b"",
    ]
)  # fmt: skip
NGINX = (
    b"POST /nginx HTTP/1.0\r\nHost: app\r\nConnection: close\r\nX-Forwarded-For: 1.2.3.4\r\nContent-Length: 3\r\n"
    b"X-Forwarded-Proto: https\r\nContent-Type: text/plain; charset=utf-8\r\nX-Name: J\xc3\xbcrgen\r\nX-Empty:\r\n\r\n"
)
WEBSOCKET = (
    b"GET /chat HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n\r\n"
)
CHUNKED = b"PUT /put HTTP/1.1\r\nHost:a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"


@pytest.mark.parametrize("data", [CURL, FIREFOX, NGINX, WEBSOCKET, CHUNKED], ids=lambda data: data[:14].decode())
@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_what_is_sent_every_day_is_plain(parser: HeadParser, data: bytes) -> None:
    """The strict reader need not read it: only what is plain is remembered."""
    reader = Parser(parser)
    assert reader.read(data) is not None
    assert reader.reader.known.targets == {data.split(b" ")[1]}


PLAIN = b"GET /a?b HTTP/1.0\r\nHost: a\r\nX-Empty:\r\n\r\n"


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_a_plain_head_taken_apart(parser: HeadParser) -> None:
    """With names as they were sent or in lower case, and what is behind it left alone."""
    fields = [(b"Host", b"a"), (b"X-Empty", b"")]
    assert parser.read_plain(PLAIN + b"rest", 100, 5, 100, False) == (b"GET", b"/a?b", 0, fields, len(PLAIN))
    fields = [(b"host", b"a"), (b"x-empty", b"")]
    assert parser.read_plain(PLAIN, 100, 5, 100, True) == (b"GET", b"/a?b", 0, fields, len(PLAIN))
    assert parser.read_plain(b"GET / HTTP/1.1\r\nX: a\r\nY:b\r\n\r\n", 100, 5, 100, True) == (
        b"GET", b"/", 1, [(b"x", b"a"), (b"y", b"b")], 29
    )  # fmt: skip


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_at_its_bounds(parser: HeadParser) -> None:
    """What is as large as a limit is plain, and what is larger is not."""
    line, size = PLAIN.index(b"\r"), len(PLAIN)
    assert parser.read_plain(PLAIN, line, 2, size, False) is not None
    assert parser.read_plain(PLAIN, line - 1, 2, size, False) is None
    assert parser.read_plain(PLAIN, line, 1, size, False) is None
    assert parser.read_plain(PLAIN, line, 2, size - 1, False) is None
    for method, plain in ((b"AB", 0), (b"ABC", 1), (b"A" * 20, 1), (b"A" * 21, 0)):
        head = parser.read_plain(method + b" / HTTP/1.1\r\n\r\n", 100, 5, 100, False)
        assert (head is not None) == plain, method


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_what_is_not_plain(parser: HeadParser) -> None:
    """Nothing is refused here: the strict reader serves most of these. Nor is a head plain that is not all there."""
    fields = b"Host: a\r\n"
    for line in (
        b"get / HTTP/1.1",
        b"GET http://a/ HTTP/1.1",
        b"GET /a#b HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"",
        b"GET /",
    ):
        assert parser.read_plain(line + b"\r\n" + fields + b"\r\n", 100, 5, 100, False) is None, line
    for line in (
        b"A:  b",
        b"A: b ",
        b"A:\tb",
        b"A : b",
        b" A: b",
        b"A",
        b": b",
        b"A: \0",
        b"A: b\rc",
        b"A: b\nC: d",
    ):
        data = b"GET / HTTP/1.1\r\n" + fields + line + b"\r\n\r\n"
        assert parser.read_plain(data, 100, 5, 100, False) is None, line
    for end in range(len(CURL)):
        assert parser.read_plain(CURL[:end], 100, 5, 200, False) is None


def test_a_begun_head_of_any_size_is_looked_at_for_a_bounded_time() -> None:
    """A fault beyond its first 16 KiB is found when it is whole."""
    begun = b"GET / HTTP/1.1\r\n" + (b"A: " + b"b" * 8000 + b"\r\n") * 3
    assert may_go_on(begun + b"\0", 4094)
    assert not may_go_on(begun[:9000] + b"\0" + begun, 4094)
