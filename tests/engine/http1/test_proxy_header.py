"""The PROXY header in front of the first request, and what is kept of it."""

from __future__ import annotations

import pytest

from hotswap.engine.http1.error_page import Refusal
from hotswap.engine.http1.proxy_protocol import from_text, to_text, variables_of
from tests.engine.http1.parsing import Parser
from tests.engine.test_proxy_protocol import CLIENT, LOCAL, V1, V2

HEAD = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
NEXT = b"GET /y HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    ("mode", "header", "variables"),
    [
        ("v1", V1, CLIENT),
        ("v2", V2, CLIENT),
        ("auto", V2, CLIENT),
        ("auto", LOCAL, {"PROXY_PROTOCOL": "LOCAL"}),
        ("auto", b"", {}),
    ],
)
def test_it_is_read_once(mode: str, header: bytes, variables: dict[str, str]) -> None:
    """With the first head; the requests behind it have none."""
    parser = Parser(proxy_protocol=mode)
    conn = parser.connection()
    assert parser.reader.read(header + HEAD[:5], conn) is None
    assert parser.reader.known.targets == frozenset()
    before = conn.proxy
    request = parser.reader.read(header + HEAD, conn)
    assert request is not None
    assert (request.uri, request.consumed) == ("/x", len(header + HEAD))
    assert (before, conn.proxy) == (None, variables)
    again = parser.reader.read(NEXT, conn)
    assert again is not None
    assert again.uri == "/y"


def test_it_is_waited_for() -> None:
    """As long as it can become one."""
    parser = Parser(proxy_protocol="auto")
    assert all(parser.read(header[:end]) is None for header in (V1, V2) for end in range(1, len(header)))


@pytest.mark.parametrize(
    ("data", "peer", "code", "words"),
    [
        (b"PROXY TCP4 " + b"1" * 200, "127.0.0.1", 400, "too long"),
        (b"PROXY TCP4 nonsense\r\n" + HEAD, "127.0.0.1", 400, ""),
        (V1 + HEAD, "203.0.113.9", 403, ""),
    ],
)
def test_what_is_refused(data: bytes, peer: str, code: int, words: str) -> None:
    """What is no header, and a peer that may not send one (`proxy_allow_ips`)."""
    with pytest.raises(Refusal) as caught:
        Parser(proxy_protocol="auto").read(data, (peer, 1))
    assert caught.value.code == code
    assert words in str(caught.value)


def test_it_moves_as_text() -> None:
    """Read, not yet read, and read without one are three things; a text that `to_text` does not write is refused."""
    assert [from_text(to_text(said)) for said in (CLIENT, None, {})] == [CLIENT, None, {}]
    assert from_text('{"REMOTE_ADDR": "a", "OTHER": "b"}') == {"REMOTE_ADDR": "a"}
    for text in ("{", "[]", '{"REMOTE_ADDR": 1}'):
        with pytest.raises(ValueError, match=r"."):
            from_text(text)
    assert variables_of(None) == {}
