"""Scopes are uvicorn's, but for the differences that `scope_reader` documents."""

from __future__ import annotations

from typing import Any

import pytest

from hotswap.engine.http1.error_page import Refusal
from hotswap.engine.http1.head_parser import choose
from tests.engine.asgi.scopes import CLIENT, SERVER, Scopes
from tests.engine.asgi.uvicorn_scopes import uvicorn_scope
from tests.engine.http1.test_head_parser import CHUNKED, CURL, FIREFOX, NGINX

PARSERS = [choose({}), choose({"HOTSWAP_PURE": "1"})]
STRANGER = ("203.0.113.7", 1)
FOR = b"X-Forwarded-For: "


def get(*fields: bytes, target: bytes = b"/") -> bytes:
    """A GET with these fields behind its Host."""
    return b"GET %b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (target, b"".join(field + b"\r\n" for field in fields))


SAME = {
    "curl": CURL,
    "firefox": FIREFOX,
    "nginx": NGINX,
    "chunked": CHUNKED,
    "HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "methods": b"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n",
    "escapes": get(target=b"/a%20b/%C3%A9%2f%zz%4?%20+%zz"),
    "no UTF-8": get(target=b"/%ff%E4x"),
    "two slashes": get(target=b"//a//b"),
    "dots": get(target=b"/a/../b/./c"),
    "questions": get(target=b"/a?b?c"),
    "an empty query": get(target=b"/a?"),
    "a fragment": get(target=b"/a?b#c"),
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute": get(target=b"http://other:80/b?c"),
    "order and case": get(b"b: 1", b"A: 2", b"B: 3", b"cookie: x", b"Cookie: y"),
    "blanks": get(b"A: \t b", b"B:", b"C:d"),
    "bytes above ASCII": get(b"A: \xe9\xff"),
    "cookies": get(b"Cookie: a=b; c=d"),
    "upgrade to h2c": get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"),
    "https": get(b"X-Forwarded-Proto: https"),
    "http": get(b"X-Forwarded-Proto: http"),
    "one hop": get(FOR + b"1.2.3.4"),
    "with a port": get(FOR + b"1.2.3.4:567"),
    "IPv6": get(FOR + b"2001:db8::1"),
    "IPv6 in brackets": get(FOR + b"[2001:db8::1]:567"),
    "IPv6 in brackets without a port": get(FOR + b"[2001:db8::1]"),
    "no bracket": get(FOR + b"[2001:db8::1"),
    "more hops": get(FOR + b"9.9.9.9, 1.2.3.4 , 127.0.0.1"),
    "two fields": get(FOR + b"9.9.9.9", b"X: y", FOR + b"1.2.3.4"),
    "all trusted": get(FOR + b"127.0.0.1:1, 127.0.0.1:2"),
    "unknown": get(FOR + b"unknown"),
    "empty": get(FOR),
    "an empty hop": get(FOR + b"1.2.3.4,"),
    "no port at all": get(FOR + b"1.2.3.4:"),
    "a name": get(FOR + b"a:b"),
}


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
@pytest.mark.parametrize("peer", [CLIENT, STRANGER])
@pytest.mark.parametrize("data", SAME.values(), ids=SAME.keys())
def test_the_same(data: bytes, peer: Any, parser: Any) -> None:
    """To the last key, the extensions apart, which uvicorn has none of; twice, because much is remembered."""
    scopes = Scopes(parser, forwarded_allow_ips="127.0.0.1")
    theirs = uvicorn_scope(data, peer, SERVER)
    for _ in range(2):
        assert scopes.scope(data, scopes.sender(peer)) == theirs | {"extensions": {}}


@pytest.mark.parametrize("target", [b"/", b"/a%20b?c", b"http://a/b"])
def test_the_same_below_a_root_path(target: bytes) -> None:
    """With the root path in path and raw_path, too."""
    scopes = Scopes(root_path="/api")
    theirs = uvicorn_scope(get(target=target), CLIENT, SERVER, root_path="/api")
    assert scopes.scope(get(target=target)) == theirs | {"extensions": {}}


@pytest.mark.parametrize("data", [get(FOR + b"9.9.9.9:5, 1.2.3.4"), get(FOR), get(FOR + b", 1.2.3.4")])
def test_the_same_where_all_are_trusted(data: bytes) -> None:
    """Then the first hop counts."""
    scopes = Scopes(forwarded_allow_ips="*")
    theirs = uvicorn_scope(data, STRANGER, SERVER, trusted="*")
    assert scopes.scope(data, scopes.sender(STRANGER)) == theirs | {"extensions": {}}


def test_the_same_on_ipv6() -> None:
    """Addresses of four parts."""
    peer, sockname = ("::1", 5, 0, 0), ("::1", 8000, 0, 0)
    scopes = Scopes()
    ours = scopes.scope(get(), scopes.sender(peer, sockname))
    theirs = uvicorn_scope(get(), peer[:2], sockname[:2])  # its fake transport has two parts; a socket has four
    assert ours == theirs | {"extensions": {}}


# The differences, each with its reason.


@pytest.mark.parametrize(
    "data",
    [
        b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",  # llhttp knows a list of methods
        get(target=b"http://other"),  # it is, but has no path
    ],
)
def test_what_uvicorn_refuses(data: bytes) -> None:
    """And gunicorn serves: so do we."""
    assert Scopes().scope(data)["type"] == "http"
    try:
        theirs = uvicorn_scope(data, CLIENT, SERVER)
    except Exception:  # noqa: BLE001  some of these it does not even answer
        theirs = None
    assert theirs is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",  # RFC 9112, section 3.2: Host is required
        get(b"Host: b"),  # and there is one
        get(b"X-Forwarded-Proto: https", b"X-Forwarded-Ssl: off"),  # contradicts itself
    ],
)
def test_what_uvicorn_serves(data: bytes) -> None:
    """And gunicorn or the RFC refuses: so do we."""
    with pytest.raises(Refusal):
        Scopes().read(data)
    assert uvicorn_scope(data, CLIENT, SERVER)["type"] == "http"


def test_blanks_behind_a_value() -> None:
    """Are no part of it (RFC 9112, section 5.1)."""
    data = get(b"A: b \t")
    assert (b"a", b"b") in Scopes().scope(data)["headers"]
    assert (b"a", b"b \t") in uvicorn_scope(data, CLIENT, SERVER)["headers"]


def test_names_with_underscores_follow_header_map() -> None:
    """Which drops them by default: a proxy may have removed the name with a dash only."""
    data = get(b"X_Under: 1", b"X-Dash: 2")
    assert Scopes().scope(data)["headers"] == [(b"host", b"a"), (b"x-dash", b"2")]
    assert (b"x_under", b"1") in uvicorn_scope(data, CLIENT, SERVER)["headers"]
    assert (b"x_under", b"1") in Scopes(header_map="dangerous").scope(data)["headers"]


def test_the_peer_of_a_unix_socket_may_speak_for_its_client() -> None:
    """As with gunicorn: only who may open the socket can be there. uvicorn wants `*` for that."""
    data = get(FOR + b"1.2.3.4", b"X-Forwarded-Proto: https")
    scopes = Scopes()
    ours = scopes.scope(data, scopes.sender("", "/run/a.sock"))
    theirs = uvicorn_scope(data, "", "/run/a.sock")
    assert (ours["client"], ours["scheme"], ours["server"]) == (("1.2.3.4", 0), "https", ("/run/a.sock", None))
    assert (theirs["client"], theirs["scheme"], theirs["server"]) == (None, "http", ("/run/a.sock", None))


def test_other_schemes_than_uvicorn_knows() -> None:
    """`secure_scheme_headers` say how a proxy speaks; of their values, all but the secure one are http."""
    ours = Scopes()
    assert ours.scope(get(b"X-Forwarded-Ssl: on"))["scheme"] == "https"
    assert uvicorn_scope(get(b"X-Forwarded-Ssl: on"), CLIENT, SERVER)["scheme"] == "http"
