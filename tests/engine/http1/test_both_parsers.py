"""The parser of heads in C and its twin in Python: with either, a head has the same outcome, to the last key."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hotswap.engine.connections.connection import Connection
from hotswap.engine.http1.error_page import Refusal
from hotswap.engine.http1.head_parser import choose
from hotswap.engine.http1.request import Request
from hotswap.engine.values import Peer
from hotswap.engine.wsgi.wsgi_request import WsgiRequest
from tests.engine.entries import Entry, entries
from tests.engine.grammar import streams
from tests.engine.http1.parsing import HOST, Parser
from tests.engine.needed_lane import needs_c
from tests.engine.test_proxy_protocol import LOCAL, V1, V2
from tests.engine.test_refusals import SMUGGLING
from tests.engine.test_verdicts import heads

IN_C, IN_PYTHON = choose({}), choose({"HOTSWAP_PURE": "1"})
_INNER = {"host", "connection", "scheme"}  # what the readers tell each other: the environ has them
_SLOTS = {*Request.__slots__, *WsgiRequest.__slots__} - {"environ"} - _INNER
PROXY, STRANGER = ("127.0.0.1", 1), ("203.0.113.7", 1)
FORWARDED = b"Script_Name: /a\r\nRemote_User: b\r\nX-Forwarded-Proto: https\r\n\r\n"


class Pair(NamedTuple):
    """Readers with the same settings, one on each parser."""

    c: Parser
    python: Parser

    @classmethod
    def of(cls, **options: Any) -> Pair:
        """Both; a head is shown to both, so they have learnt the same."""
        return cls(Parser(IN_C, **options), Parser(IN_PYTHON, **options))

    def agree(self, data: bytes, peer: Peer = PROXY) -> Any:
        """The outcome, which is the same."""
        base = self.c.base()
        c, python = (outcome(parser, data, parser.connection(peer, base)) for parser in self)
        assert c == python, data
        return c


def outcome(parser: Parser, data: bytes, conn: Connection) -> Any:
    """Everything that a head leads to: the request with its environ, what a proxy said, None or the refusal."""
    try:
        request = parser.reader.read(data, conn)
    except Refusal as refusal:
        return refusal.code, str(refusal), conn.proxy
    if request is None:
        return None, conn.proxy
    return {name: getattr(request, name) for name in _SLOTS}, request.environ, conn.proxy


PAIR = Pair.of()
#: What changes a verdict: limits at which heads of a test are, and settings that loosen or narrow the rules.
VARIANTS: list[dict[str, Any]] = [
    {"limit_request_line": 20, "limit_request_fields": 2, "limit_request_field_size": 30},
    {"limit_request_line": 0, "limit_request_fields": 300, "limit_request_field_size": 0},
    {"header_map": "drop", "forwarder_headers": "SCRIPT_NAME,X_UNDER", "forwarded_allow_ips": "127.0.0.1"},
    {"header_map": "dangerous", "permit_unconventional_http_method": True},
    {"permit_obsolete_folding": True, "strip_header_spaces": True, "casefold_http_method": True},
    {"permit_unconventional_http_version": True, "secure_scheme_headers": {"X-A": "on", "HOST": "a"}},
    {"proxy_protocol": "auto"},
]
PAIRS = [Pair.of(**variant) for variant in VARIANTS]


def test_they_are_two() -> None:
    """Where the one in C is missing, all of this compares nothing."""
    needs_c()
    assert (IN_C.name, IN_C.why_python) == ("C", "")
    assert (IN_PYTHON.name, IN_PYTHON.why_python) == ("Python", "HOTSWAP_PURE is set")


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_the_corpus(entry: Entry) -> None:
    """Each stream, cut after every byte (a long one after some), with bytes behind it, and with every setting."""
    data = entry.data
    for end in range(0, len(data) + 1, 1 if len(data) < 600 else 97):
        PAIR.agree(data[:end])
    for pair in (PAIR, *PAIRS):
        pair.agree(data)
        pair.agree(data + data)
        pair.agree(data.partition(b"\r\n\r\n")[2])
    assert PAIR.c.verdict(data) == PAIR.python.verdict(data)


@pytest.mark.parametrize("data", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_known_tricks(data: bytes) -> None:
    """Each one, and each one cut after every byte."""
    for end in range(len(data) + 1):
        PAIR.agree(data[:end])


@settings(max_examples=1500, derandomize=True)
@given(heads(), st.sampled_from([PAIR, *PAIRS]), st.sampled_from([PROXY, STRANGER, ""]), st.integers(0, 1000))
def test_generated_heads(data: bytes, pair: Pair, peer: Peer, cut: int) -> None:
    """Near the border between right and wrong; whole, cut, and behind an empty line."""
    pair.agree(data, peer)
    pair.agree(data[: cut % (len(data) + 1)], peer)
    pair.agree(b"\r\n" + data, peer)


@settings(max_examples=600, derandomize=True)
@given(streams(), st.integers(0, 10_000))
@example(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 256 + b"\r", 0)
@example(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 256 + b"C", 0)
@example(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 255 + b" c\r\n", 0)
@example(b"GET / HTTP/1.1\r\n b: c\r\n", 0)
@example(b" / HTTP/1.1\r\n", 0)
def test_generated_streams(data: bytes, cut: int) -> None:
    """Pipelined requests, spoilt or not: the whole stream, and its beginning."""
    assert PAIR.c.verdict(data) == PAIR.python.verdict(data)
    PAIR.agree(data[: cut % len(data)])
    PAIR.agree(data)


@settings(max_examples=1500, derandomize=True)
@given(
    st.lists(
        st.sampled_from([b"GET", b" ", b"/", b"HTTP/1.1", b"\r", b"\n", b"\r\n", b"A", b":", b"\t", b"\xe9", b"\0"])
    )
)
def test_beginnings(parts: list[bytes]) -> None:
    """What may become a head is waited for, and nothing else is."""
    PAIR.agree(b"".join(parts))


@pytest.mark.parametrize("size", [4094, 4095, 8189, 8190, 8191])
@pytest.mark.parametrize(
    "where", [b"GET /%b HTTP/1.1\r\n" + HOST + b"\r\n", b"GET / HTTP/1.1\r\n" + HOST + b"X: %b\r\n\r\n"]
)
def test_limits(size: int, where: bytes) -> None:
    """At the limit of a line and of a field, one byte more and one less; of what is not whole, too."""
    for less in range(-2, 30):
        data = where % (b"x" * (size - less))
        for pair in (PAIR, PAIRS[1]):
            pair.agree(data)
            pair.agree(data[:-2])
            pair.agree(data[:-4])


@pytest.mark.parametrize("count", [99, 100, 101, 255, 256, 257, 300, 301])
def test_numbers_of_fields(count: int) -> None:
    """Around the limits of gunicorn, of the settings and of the parser in C."""
    data = b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(count - 1)) + HOST + b"\r\n"
    for pair in (PAIR, PAIRS[1]):
        for end in range(len(data) - 20, len(data) + 1):
            pair.agree(data[:end])


@pytest.mark.parametrize("header", [V1, V2, LOCAL, V1 + V1, V2[:9], b"PROXY x\r\n", b""])
@pytest.mark.parametrize(
    "rest", [b"GET / HTTP/1.1\r\n" + HOST, b"GET / HTTP/1.0\r\n" + FORWARDED, b"\x16\x03\x01", b""]
)
def test_the_proxy_header(header: bytes, rest: bytes) -> None:
    """In front of what is plain and of what is not."""
    data = header + rest + b"\r\n"
    for end in range(len(data) + 1):
        for peer in (PROXY, STRANGER, ""):
            PAIRS[-1].agree(data[:end], peer)
