"""Scopes on both parsers, over the corpus and over generated heads: the same outcome, and WSGI's verdict."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotswap.engine.http1.error_page import Refusal
from hotswap.engine.http1.head_parser import choose
from hotswap.engine.values import Peer
from hotswap.engine.wsgi.wsgi_request import WsgiRequest
from tests.engine.asgi.scopes import CLIENT, Scopes
from tests.engine.entries import Entry, entries
from tests.engine.http1.parsing import Parser
from tests.engine.http1.test_both_parsers import VARIANTS
from tests.engine.some_sender import SomeSender
from tests.engine.test_proxy_protocol import LOCAL, V1, V2
from tests.engine.test_refusals import SMUGGLING
from tests.engine.test_verdicts import heads

_FACTS = ("consumed", "expect", "http11", "keep_alive", "length", "method", "upgrade", "uri")


class Trio:
    """Readers with the same settings: ASGI's on each parser, and WSGI's."""

    def __init__(self, **settings: Any) -> None:
        self.c = Scopes(choose({}), **settings)
        self.python = Scopes(choose({"HOTSWAP_PURE": "1"}), **settings)
        self.wsgi = Parser(**settings)

    def agree(self, data: bytes, peer: Peer = CLIENT) -> None:
        """The scope to the last key, and for WSGI the facts and the environ's words for it."""
        c, python = self.c.sender(peer), self.python.sender(peer)
        found = outcome(self.c, data, c)
        assert found == outcome(self.python, data, python), data
        assert c.proxy == python.proxy
        conn = self.wsgi.connection(peer)
        try:
            request: Any = self.wsgi.reader.read(data, conn)
        except Refusal as refusal:
            request = refusal.code, str(refusal)
        if isinstance(request, tuple) and "SCRIPT_NAME" in request[1]:
            return  # which mounts WSGI applications only
        assert conn.proxy == c.proxy
        if not isinstance(request, WsgiRequest):
            assert request == found, data
            return
        facts, scope = found
        assert {name: getattr(request, name) for name in _FACTS} | {"method": request.method.upper()} == facts
        same_words(request.environ, scope)


def outcome(scopes: Scopes, data: bytes, sender: SomeSender) -> Any:
    """Everything that a head leads to: the facts with the scope, None or the refusal."""
    try:
        request = scopes.read(data, sender)
    except Refusal as refusal:
        return refusal.code, str(refusal)
    if request is None:
        return None
    return {name: getattr(request, name) for name in _FACTS}, request.scope


def same_words(environ: dict[str, Any], scope: dict[str, Any]) -> None:
    """The scope says what the environ says."""
    assert environ["QUERY_STRING"].encode("latin-1") == scope["query_string"]
    assert environ["SERVER_PROTOCOL"] == "HTTP/" + scope["http_version"]
    path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    assert path.encode("latin-1").decode("utf-8", "replace") in (scope["path"], "")
    if scope["type"] == "http":
        assert environ["wsgi.url_scheme"] == scope["scheme"]
    fields: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = str(name, "latin-1").upper().replace("-", "_")
        key = key if name in (b"content-type", b"content-length") else "HTTP_" + key
        fields[key] = f"{fields[key]},{str(value, 'latin-1')}" if key in fields else str(value, "latin-1")
    assert fields == {key: value for key, value in environ.items() if key.startswith(("HTTP_", "CONTENT_"))}


TRIO = Trio()
TRIOS = [Trio(**variant) for variant in VARIANTS]


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_the_corpus(entry: Entry) -> None:
    """Each stream, cut after every byte (a long one after some), and with every setting."""
    data = entry.data
    for end in range(0, len(data) + 1, 1 if len(data) < 600 else 97):
        TRIO.agree(data[:end])
    for trio in TRIOS:
        trio.agree(data)
        trio.agree(data.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("data", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_known_tricks(data: bytes) -> None:
    """Each one, and with every setting."""
    for trio in (TRIO, *TRIOS):
        trio.agree(data)


FORWARDED = st.sampled_from(
    [b"", b"X-Forwarded-For: 1.2.3.4\r\n", b"X-Forwarded-For: a, 127.0.0.1\r\nx-forwarded-for: ::1\r\n",
     b"Sec-WebSocket-Protocol: a,b\r\nsec-websocket-protocol: c\r\n", b"Connection: upgrade\r\n",
     b"Upgrade: websocket\r\n", b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"X-Forwarded-Proto: wss\r\n"]
)  # fmt: skip


@settings(max_examples=1500, derandomize=True)
@given(heads(), FORWARDED, st.sampled_from([TRIO, *TRIOS]), st.sampled_from([CLIENT, ("203.0.113.7", 1), ""]))
def test_generated_heads(data: bytes, more: bytes, trio: Trio, peer: Peer) -> None:
    """Near the border between right and wrong, with what only scopes have behind the first line."""
    trio.agree(data, peer)
    line, crlf, rest = data.partition(b"\r\n")
    trio.agree(line + crlf + more + rest, peer)


@pytest.mark.parametrize("header", [V1, V2, LOCAL, V2[:9], b""])
def test_the_proxy_header(header: bytes) -> None:
    """In front of what is plain and of what is not, cut after every byte."""
    for fields in (b"Host: a\r\nX-Forwarded-For: 1.2.3.4\r\n", b"Host:  a\r\n"):
        data = header + b"GET / HTTP/1.1\r\n" + fields + b"\r\n"
        for end in range(len(data) + 1):
            TRIOS[-1].agree(data[:end])
