"""Which parser takes heads apart, and that the one in Python takes what browsers, tools and proxies send."""

from __future__ import annotations

import os
import re
import sys
import types

import gunicorn_h1c
import pytest

from hotswap.engine.http1.head_parser import CHOSEN, OLDEST, TOO_NEW, HeadParser, choose
from hotswap.engine.http1.plain_head import NotPlain, Unfinished, parse_plain
from tests.engine.http1.parsing import Parser
from tests.harness import ROOT

PURE = choose({"HOTSWAP_PURE": "1"})
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


def test_this_run_is_on_the_parser_that_was_asked_for() -> None:
    """The engine's tests run twice in CI: on the parser in C, and with HOTSWAP_PURE=1 on the one in Python."""
    assert CHOSEN.name == ("Python" if "HOTSWAP_PURE" in os.environ else f"gunicorn_h1c {gunicorn_h1c.__version__}")


@pytest.mark.parametrize("data", [CURL, FIREFOX, NGINX, WEBSOCKET, CHUNKED], ids=lambda data: data[:14].decode())
@pytest.mark.parametrize("parser", [choose({}), PURE], ids=lambda parser: parser.name)
def test_what_is_sent_every_day_is_plain(parser: HeadParser, data: bytes) -> None:
    """The strict reader need not read it: only what is plain is remembered."""
    reader = Parser(parser)
    assert reader.read(data) is not None
    assert reader.reader.known.targets == {data.split(b" ")[1]}


def test_without_the_parser_in_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours, and why."""
    monkeypatch.setitem(sys.modules, "gunicorn_h1c", None)
    assert choose({}) == PURE._replace(why_python="gunicorn_h1c is not installed: pip install 'hotswap[fast]'")


def test_with_one_that_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled for another Python, say."""
    monkeypatch.setitem(sys.modules, "gunicorn_h1c._parser_fast", types.ModuleType("gunicorn_h1c._parser_fast"))
    chosen = choose({})
    assert chosen.parse is parse_plain
    assert "gunicorn_h1c cannot be imported (cannot import name 'IncompleteError'" in chosen.why_python


@pytest.mark.parametrize(("version", "good"), [("0.6.8", 0), ("0.6.9", 1), ("0.6.12", 1), ("0.7.0", 0), ("0.6", 0)])
def test_with_another_version(monkeypatch: pytest.MonkeyPatch, version: str, good: bool) -> None:
    """gunicorn takes more of them than were compared with its parser in Python."""
    monkeypatch.setattr(gunicorn_h1c, "__version__", version)
    chosen = choose({})
    assert (chosen.why_python == "") == good
    assert chosen.name == (f"gunicorn_h1c {version}" if good else "Python")


def test_pip_is_told_of_the_same_versions() -> None:
    """In pyproject.toml."""
    oldest, too_new = (re.escape(".".join(map(str, version))) for version in (OLDEST, TOO_NEW))
    assert re.search(rf'"gunicorn_h1c>={oldest},<{too_new}', (ROOT / "pyproject.toml").read_text())


def test_what_is_not_plain() -> None:
    """Nothing is refused here: the strict reader serves most of these."""
    fields = b"Host: a\r\n"
    for line in (
        b"get / HTTP/1.1",
        b"GET http://a/ HTTP/1.1",
        b"GET /a#b HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"",
        b"GET /",
    ):
        with pytest.raises(NotPlain):
            parse_plain(line + b"\r\n" + fields + b"\r\n", 0, 100, 5, 100)
    for line in (
        b"A:  b",
        b"A: b ",
        b"A: ",
        b"A:\tb",
        b"A : b",
        b" A: b",
        b"A",
        b": b",
        b"A: \0",
        b"A: b\rc",
        b"A: b\nC: d",
    ):
        with pytest.raises(NotPlain):
            parse_plain(b"GET / HTTP/1.1\r\n" + fields + line + b"\r\n\r\n", 0, 100, 5, 100)


def test_a_begun_head_of_any_size_is_looked_at_for_a_bounded_time() -> None:
    """A fault beyond its first 16 KiB is found when it is whole."""
    begun = b"GET / HTTP/1.1\r\n" + (b"A: " + b"b" * 8000 + b"\r\n") * 3
    with pytest.raises(Unfinished):
        parse_plain(begun + b"\0", 0, 4094, 100, 8190)
    with pytest.raises(NotPlain):
        parse_plain(begun[:9000] + b"\0" + begun, 0, 4094, 100, 8190)
