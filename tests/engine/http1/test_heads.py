"""Heads: what a request says, how it is remembered, and which settings change it."""

from __future__ import annotations

from typing import Any

import pytest

from hotswap.engine.http1.error_page import Refusal
from hotswap.engine.http1.request import CHUNKED
from hotswap.engine.wsgi.environ_reader import EnvironReader
from tests.engine.http1.parsing import HOST, Parser

LOCAL = ("127.0.0.1", 1)
STRANGER = ("203.0.113.7", 1)


@pytest.fixture
def parser() -> Parser:
    """With gunicorn's own settings, and nothing learnt yet."""
    return Parser()


def test_a_plain_request(parser: Parser) -> None:
    """Method, target and headers as WSGI wants them, and where the head ends."""
    data = b"GET /a%20b?c=d HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nx-one: 2\r\nContent-Type: text/plain\r\n\r\n"
    request = parser.read(data + b"more")
    assert request is not None
    assert (request.method, request.uri, request.path, request.consumed) == ("GET", "/a%20b?c=d", "/a b", len(data))
    assert (request.http11, request.keep_alive, request.length, request.expect) == (True, True, 0, False)
    environ = request.environ
    assert (environ["QUERY_STRING"], environ["HTTP_X_ONE"], environ["CONTENT_TYPE"]) == ("c=d", "1,2", "text/plain")


def test_headers_for_the_access_log(parser: Parser) -> None:
    """Pairs in upper case, with dashes; those of the body are last."""
    assert parser.get(b"X-A: 1", b"Content-Length: 0", b"Content-Type: x").headers == [
        ("HOST", "a"), ("X-A", "1"), ("CONTENT-TYPE", "x"), ("CONTENT-LENGTH", "0"),
    ]  # fmt: skip
    assert parser.get().headers == [("HOST", "a")]


def test_a_head_is_waited_for(parser: Parser) -> None:
    """None as long as it can become one."""
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert [end for end in range(1, len(data) + 1) if parser.read(data[:end])] == [len(data)]


@pytest.mark.parametrize(
    ("lines", "length", "expect", "upgrade"),
    [
        ([], 0, False, False),
        ([b"Content-Length: 5"], 5, False, False),
        ([b"Content-Length: 5", b"Expect: 100-continue"], 5, True, False),
        ([b"Transfer-Encoding: Chunked"], CHUNKED, False, False),
        ([b"Connection: Upgrade", b"Upgrade: websocket"], 0, False, True),
        ([b"Upgrade: websocket"], 0, False, False),
    ],
)
def test_what_the_special_headers_say(
    parser: Parser, lines: list[bytes], length: int, expect: bool, upgrade: bool
) -> None:
    """Length of the body, whether it is waited for, and whether the protocol may change."""
    request = parser.get(*lines)
    assert (request.length, request.expect, request.upgrade) == (length, expect, upgrade)


def test_http10(parser: Parser) -> None:
    """Closed unless it asks to be kept, needs no Host, and cannot expect anything."""
    request = parser.read(b"POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
    assert request is not None
    assert (request.http11, request.keep_alive, request.expect) == (False, False, False)
    assert request.environ["SERVER_PROTOCOL"] == "HTTP/1.0"
    kept = parser.read(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
    assert kept is not None
    assert kept.keep_alive


@pytest.mark.parametrize("value", [b"close", b"Close", b"keep-alive, close", b"close, x"])
def test_connection_close(parser: Parser, value: bytes) -> None:
    """It wins over anything else in the list."""
    assert not parser.get(b"Connection: " + value).keep_alive


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", ""),
        (b"/a?b?c", "/a", "b?c"),
        (b"/%E4%zz", "/\xe4%zz", ""),
        (b"http://other/b?c#d", "/b", "c"),
        (b"/a#b", "/a", ""),
        (b"//x/y", "//x/y", ""),
    ],
)
def test_targets(parser: Parser, target: bytes, path: str, query: str) -> None:
    """In the same words the second time, when some of them are remembered."""
    for _ in range(2):
        request = parser.read(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert request is not None
        assert (request.path, request.environ["QUERY_STRING"]) == (path, query)


def test_what_clients_invent_does_not_fill_the_memory(parser: Parser) -> None:
    """Targets, names and hosts without end: each is read rightly, and some are remembered."""
    for number in range(1100):
        head = f"GET /{number} HTTP/1.1\r\nHost: h{number}\r\nX-{number}: {number}\r\n\r\n".encode()
        request = parser.read(head)
        assert request is not None
        assert request.path == f"/{number}"
        assert request.environ[f"HTTP_X_{number}"] == str(number)
    known = parser.reader.known
    assert max(len(known.targets), known.names, known.hosts) <= 1024
    long = parser.read(b"GET /" + b"x" * 300 + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert long is not None
    assert long.path == "/" + "x" * 300


@pytest.mark.parametrize(
    ("header", "peer", "scheme"),
    [
        (b"X-Forwarded-Proto: https", LOCAL, "https"),
        (b"X-Forwarded-Proto: http", LOCAL, "http"),
        (b"X-Forwarded-Ssl: on", LOCAL, "https"),
        (b"X-Forwarded-Ssl: on", "", "https"),
        (b"X-Forwarded-Proto: https", STRANGER, "http"),
    ],
)
def test_the_scheme_is_what_a_trusted_proxy_says(parser: Parser, header: bytes, peer: Any, scheme: str) -> None:
    """From a client that is no proxy it is a header like any other; a unix socket's peer (here "") is trusted."""
    request = parser.get(header, peer=peer)
    assert request.environ["wsgi.url_scheme"] == scheme
    assert "HTTP_" + header.partition(b":")[0].decode().upper().replace("-", "_") in request.environ


@pytest.mark.parametrize(("name", "scheme"), [("X-PROTO", "https"), ("x-proto", "http")])
@pytest.mark.parametrize("blank", [b" ", b"  "])
def test_scheme_headers_are_named_in_upper_case(name: str, scheme: str, blank: bytes) -> None:
    """As gunicorn wants them, whichever reader reads the head."""
    request = Parser(secure_scheme_headers={name: "https"}).get(b"X-Proto:" + blank + b"https")
    assert request.environ["wsgi.url_scheme"] == scheme


def refused(parser: Parser, data: bytes) -> tuple[int, str]:
    """The code and the reason with which a head is refused."""
    with pytest.raises(Refusal) as caught:
        parser.read(data)
    return caught.value.code, str(caught.value)


def with_lines(*lines: bytes) -> bytes:
    """A POST with these header lines beside Host."""
    return b"POST / HTTP/1.1\r\n" + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (with_lines(b"X-Forwarded-Proto: https", b"X-Forwarded-Ssl: off"), 400, ""),
        (with_lines(b"Content-Length: 1", b"Content-Length: 1"), 400, ""),
        (with_lines(b"Content-Length: " + b"9" * 19), 400, "too large"),
        (with_lines(b"Content-Length: +5"), 400, ""),
        (with_lines(b"Transfer-Encoding: br, chunked"), 501, ""),
        (with_lines(b"Expect: something"), 417, ""),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "no Host"),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "is not a host"),
        (b"GET / HTTP/3.1\r\nHost: a\r\n\r\n", 505, ""),
        (b"GET / HTTP/x\r\nHost: a\r\n\r\n", 400, ""),
        (b"GET /" + b"x" * 5000, 414, "line is too long"),
        (b"GET / HTTP/1.1\r\n" + (b"A: " + b"b" * 8000 + b"\r\n") * 200, 431, "head is too long"),
        (b"GET / HTTP/1.1\r\nHost: a\n", 400, "bare LF"),
        (b"G Host: a\n", 400, "does not end with CRLF"),
        (b"\x16\x03\x01\x02\x00", 400, "not an HTTP request"),
    ],
)
def test_what_is_refused(parser: Parser, data: bytes, code: int, words: str) -> None:
    """With the code that says why."""
    found = refused(parser, data)
    assert found[0] == code
    assert words in found[1]


@pytest.mark.parametrize(
    ("settings", "data"),
    [
        ({"permit_obsolete_folding": True}, with_lines(b"X: a", b" b")),
        ({"strip_header_spaces": True}, with_lines(b"X : a b")),
        ({"http_parser": "python"}, with_lines(b"X: a b")),
        (
            {"casefold_http_method": True, "permit_unconventional_http_method": True},
            b"post / HTTP/1.1\r\nHost: a\r\nX: a b\r\n\r\n",
        ),
        ({"permit_unconventional_http_version": True}, b"POST / HTTP/1.7\r\nHost: a\r\nX: a b\r\n\r\n"),
    ],
)
def test_settings_that_loosen_the_rules(settings: dict[str, Any], data: bytes) -> None:
    """What the parsers of plain heads do not know is read by the strict one, which also waits for what is not whole."""
    parser = Parser(**settings)
    request = parser.read(data)
    assert request is not None
    assert (request.method, request.environ["HTTP_X"]) == ("POST", "a b")
    assert [parser.read(begun) for begun in (data[:-2], b"\r\n", b"")] == [None] * 3


def test_the_strict_parser_counts_bodies_too() -> None:
    """By length and by chunks."""
    parser = Parser(http_parser="python")
    assert parser.get(b"Content-Length: 5").length == 5
    assert parser.get(b"Transfer-Encoding: chunked").length == CHUNKED
    assert parser.get().length == 0


def test_more_fields_than_the_fast_parser_holds() -> None:
    """The strict one waits for the rest of such a head, and reads it."""
    parser = Parser(limit_request_fields=400)
    data = with_lines(*[b"X-%d: y" % number for number in range(300)])
    assert parser.read(data[:-2]) is None
    request = parser.read(data)
    assert request is not None
    assert request.environ["HTTP_X_299"] == "y"


@pytest.mark.parametrize(("header_map", "codes"), [("drop", "ok"), ("refuse", "400"), ("dangerous", "ok")])
def test_names_with_underscores(header_map: str, codes: str) -> None:
    """They could pass for a name with dashes: dropped, refused, or let through, as `header_map` says."""
    parser, data = Parser(header_map=header_map), with_lines(b"X_A: 1", b"Content_Length: 1")
    if codes == "400":
        assert refused(parser, data)[0] == 400
        return
    request = parser.read(data)
    assert request is not None
    assert request.length == 0
    assert ("HTTP_X_A" in request.environ) is (header_map == "dangerous")


def test_script_name() -> None:
    """A trusted proxy says where the application is mounted; a path outside is an error of the set-up."""
    parser = Parser(forwarder_headers="SCRIPT_NAME", header_map="drop")
    request = parser.read(b"GET /shop/a%20b HTTP/1.1\r\nHost: a\r\nSCRIPT_NAME: /shop\r\n\r\n")
    assert request is not None
    assert (request.environ["SCRIPT_NAME"], request.environ["PATH_INFO"]) == ("/shop", "/a b")
    found = refused(parser, b"GET /other HTTP/1.1\r\nHost: a\r\nSCRIPT_NAME: /shop\r\n\r\n")
    assert found == (500, "the request's path does not begin with SCRIPT_NAME '/shop'")


@pytest.mark.parametrize("target", [b"/shop/a", b"http://a/shop/a"])
@pytest.mark.parametrize("host", [b"Host: a", b"Host:  a"])
def test_a_dashed_header_is_no_script_name(parser: Parser, target: bytes, host: bytes) -> None:
    """Any client may send Script-Name, which is HTTP_SCRIPT_NAME too: it mounts nothing, whichever reader reads it."""
    request = parser.read(b"GET " + target + b" HTTP/1.1\r\n" + host + b"\r\nScript-Name: /shop\r\n\r\n")
    assert request is not None
    assert (request.environ["SCRIPT_NAME"], request.environ["PATH_INFO"]) == ("", "/shop/a")


def test_script_name_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then every head is read by the strict parser."""
    monkeypatch.setenv("SCRIPT_NAME", "/shop")
    request = Parser().read(b"GET /shop/a HTTP/1.1\r\nHost: a\r\n\r\n")
    assert request is not None
    assert (request.environ["SCRIPT_NAME"], request.environ["PATH_INFO"]) == ("/shop", "/a")


def test_connect(parser: Parser) -> None:
    """Its connection is closed: what follows is not HTTP."""
    request = parser.read(b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert request is not None
    assert (request.uri, request.keep_alive) == ("a:80", False)


def test_what_is_remembered(parser: Parser) -> None:
    """Names, hosts and targets that were plainly right."""
    parser.get(b"X-A: 1")
    known = parser.reader.known
    assert (known.names, known.hosts) == (2, 1)
    assert known.targets == {b"/"}


def test_what_a_lane_in_c_learns_from_it() -> None:
    """What is known is known to both: these are the reader's own collections, and CONNECT is for Python."""
    parser = Parser()
    parser.read(b"GET /a%20b?c HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\n")
    assert isinstance(parser.reader, EnvironReader)
    knowledge = parser.reader.plain_knowledge
    assert knowledge["targets"] == {b"/a%20b?c": ("/a%20b?c", "/a b", "c")}
    assert knowledge["hosts"] == {"a"}
    assert knowledge["keys"] == {b"Host": "HTTP_HOST", b"X-Y": "HTTP_X_Y"}
    assert b"CONNECT" not in knowledge["methods"]
    assert knowledge["learn_target"](b"/d") == ("/d", "/d", "")
    assert b"/d" in knowledge["targets"]
