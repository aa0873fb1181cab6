"""The head of an ASGI answer: framing, connection, what the server adds, and what no application may say."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest

from hotswap.engine.asgi import answer_head
from hotswap.engine.asgi.answer_head import AnswerHead, ServerLines, field_lines
from hotswap.engine.http1.request import Request

LINES = ServerLines()
Headers = list[tuple[bytes, bytes]]


def head_of(
    status: int,
    headers: Any = (),
    whole: int | None = None,
    *,
    method: str = "GET",
    http11: bool = True,
    keep: bool = True,
) -> tuple[AnswerHead, list[bytes]]:
    """The head, and its lines without the status line and those of the server."""
    request = Request(method, "/", "/")
    request.http11, request.keep_alive = http11, keep
    head = AnswerHead(request, LINES)
    head.take(status, headers)
    made = head.make(whole)
    assert made.endswith(b"\r\n\r\n")
    first, *lines = made[:-4].split(b"\r\n")
    assert first.startswith(b"HTTP/1.1 %d " % status)
    own = LINES.both.splitlines()[1:]
    assert [line for line in lines if line in own] == own
    return head, [line for line in lines if line not in own]


@pytest.mark.parametrize(
    ("headers", "whole", "http11", "lines", "chunked", "keep"),
    [
        ([], 5, True, [b"content-length: 5"], False, True),
        ([], 0, True, [b"content-length: 0"], False, True),
        ([(b"content-length", b"7")], 5, True, [b"content-length: 7"], False, True),
        ([(b"Content-Length", b"7"), (b"content-length", b"07")], None, True, [b"content-length: 7"], False, True),
        ([], None, True, [b"transfer-encoding: chunked"], True, True),
        ([(b"transfer-encoding", b"chunked")], 5, True, [b"content-length: 5"], False, True),
        (
            [(b"transfer-encoding", b"chunked"), (b"content-length", b"5")],
            None,
            True,
            [b"content-length: 5"],
            False,
            True,
        ),
        ([], None, False, [b"connection: close"], False, False),
        ([], 5, False, [b"content-length: 5", b"connection: keep-alive"], False, True),
    ],
)
def test_framing(
    headers: Headers, whole: int | None, http11: bool, lines: list[bytes], chunked: bool, keep: bool
) -> None:
    """By the length that the application or the server knows, by chunks, or by closing."""
    head, found = head_of(200, headers, whole, http11=http11)
    assert found == lines
    assert (head.chunked, head.keep, head.omit, head.code) == (chunked, keep, False, 200)


@pytest.mark.parametrize(
    ("status", "method", "headers", "lines", "length"),
    [
        (204, "GET", [(b"content-length", b"3")], [], None),
        (103, "GET", [(b"content-length", b"3")], [b"connection: close"], None),
        (304, "GET", [], [], None),
        (304, "GET", [(b"content-length", b"3")], [b"content-length: 3"], 3),
        (200, "HEAD", [], [], None),
        (200, "HEAD", [(b"content-length", b"3")], [b"content-length: 3"], 3),
    ],
)
def test_without_a_body(status: int, method: str, headers: Headers, lines: list[bytes], length: int | None) -> None:
    """It is not sent, whatever is said of it; of an answer that is none, the client waits for the next."""
    head, found = head_of(status, headers, 5, method=method)
    assert found == lines
    assert (head.omit, head.length, head.chunked) == (True, length, False)


@pytest.mark.parametrize(
    ("value", "http11", "asked", "lines", "keep"),
    [
        (b"close", True, True, [b"connection: close"], False),
        (b"Close, x", True, True, [b"connection: Close, x", b"connection: close"], False),
        (b"keep-alive", True, True, [], True),
        (b"keep-alive", True, False, [b"connection: close"], False),
        (b"keep-alive", False, True, [b"connection: keep-alive"], True),
        (b"upgrade", True, True, [b"connection: upgrade"], True),
    ],
)
def test_connection(value: bytes, http11: bool, asked: bool, lines: list[bytes], keep: bool) -> None:
    """The application may close; whether the connection stays is the client's word, too."""
    head, found = head_of(200, [(b"connection", value)], 0, http11=http11, keep=asked)
    assert found == [
        *[line for line in lines if b"x" in line or b"up" in line],
        b"content-length: 0",
        *[line for line in lines if b"x" not in line and b"up" not in line],
    ]
    assert head.keep is keep


def test_the_engine_may_close() -> None:
    """After the application has spoken."""
    head = AnswerHead(Request("GET", "/", "/"), LINES)
    head.take(200, [])
    head.keep = False
    assert b"connection: close\r\n" in head.make(0)


def test_date_and_server_are_added_where_they_are_missing() -> None:
    """And where the settings want them."""

    def names(lines: ServerLines, headers: Headers) -> list[bytes]:
        head = AnswerHead(Request("GET", "/", "/"), lines)
        head.take(200, headers)
        return [line.partition(b":")[0] for line in head.make(0)[:-4].split(b"\r\n")[1:]]

    date, server, length = b"date", b"server", b"content-length"
    assert names(ServerLines(), []) == [length, date, server]
    assert names(ServerLines(), [(b"Date", b"x")]) == [b"Date", length, server]
    assert names(ServerLines(), [(b"server", b"x")]) == [server, length, date]
    assert names(ServerLines(), [(b"server", b"x"), (b"date", b"x")]) == [server, date, length]
    assert names(ServerLines(date=False), []) == [length, server]
    assert names(ServerLines(server=False), []) == [length, date]
    assert names(ServerLines(date=False, server=False), [(b"x", b"")]) == [b"x", length]


def test_the_date_goes_on() -> None:
    """Also after the clock was set back."""
    lines = ServerLines(server=False)
    dates = []
    for now in (0.5, 0.9, 1.0, 86400.0, 0.0):
        lines.renew(now)
        dates.append(lines.both.decode()[13:-4])
    first = "01 Jan 1970 00:00:00"
    assert dates == [first, first, "01 Jan 1970 00:00:01", "02 Jan 1970 00:00:00", first]


@pytest.mark.parametrize(
    ("status", "line"),
    [(200, b"HTTP/1.1 200 OK"), (HTTPStatus.NOT_FOUND, b"HTTP/1.1 404 Not Found"), (599, b"HTTP/1.1 599 ")],
)
def test_status_lines(status: int, line: bytes) -> None:
    """With the phrase that is registered, or none; twice, because they are remembered."""
    for _ in range(2):
        head = AnswerHead(Request("GET", "/", "/"), LINES)
        head.take(status, [])
        assert head.make(0).split(b"\r\n")[0] == line
        assert type(head.code) is int


@pytest.mark.parametrize("status", [99, 1000, -200, 0, "200", None, True, 200.5])
def test_what_is_no_status(status: Any) -> None:
    """TypeError or ValueError, which say what was given."""
    with pytest.raises((TypeError, ValueError), match=str(status)):
        head_of(status)


BAD_VALUES = [b"a\r\nX: y", b"a\r", b"\n", b"\0", b"a\x1fb", b"\x7f", b"a\r\n", b"\x0b"]


@pytest.mark.parametrize("name", [b"x-secret", b"connection", b"date", b"Server"])
@pytest.mark.parametrize("value", BAD_VALUES)
def test_what_no_value_may_hold(name: bytes, value: bytes) -> None:
    """The error names the header and does not show the value; good headers around it change nothing."""
    for headers in ([(b"a", b"b"), (name, value), (b"c", b"d")], iter([(name, value)])):
        with pytest.raises(ValueError, match=f"{name!r}.*no header may hold"):
            head_of(200, headers, 0)
    with pytest.raises(ValueError, match="no header may hold"):
        field_lines([(name, value)])


def test_what_a_value_may_hold() -> None:
    """Tabs and all bytes above ASCII."""
    _, lines = head_of(200, [[b"x", b"a\tb \xe9\xff"], (b"y", b""), (b"z", bytearray(b"1"))], 0)
    assert lines == [b"x: a\tb \xe9\xff", b"y: ", b"z: 1", b"content-length: 0"]


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ([(b"a b", b"c")], "b'a b' is not a response header's name"),
        ([(b"a:", b"c")], "is not a response header's name"),
        ([(b"", b"c")], "is not a response header's name"),
        ([(b"a\r\n", b"c")], "is not a response header's name"),
        ([("a", b"c")], "a response header's name must be bytes, not 'a'"),
        ([(b"a", "c")], "the value of response header b'a' must be bytes"),
        ([(b"a", None)], "the value of response header b'a' must be bytes"),
        ([(b"connection", "close")], "the value of response header b'connection' must be bytes"),
        ([(b"content-length", b"-1")], "b'-1' is not a Content-Length"),
        ([(b"content-length", b"")], "b'' is not a Content-Length"),
        ([(b"content-length", b"1\r\n")], "is not a Content-Length"),
        ([(b"content-length", 1)], "1 is not a Content-Length"),
        ([(b"content-length", b"1"), (b"content-length", b"2")], "two values of Content-Length: 1 and 2"),
    ],
)
def test_what_is_no_header(headers: Any, words: str) -> None:
    """TypeError or ValueError; the second time, too, because names are remembered."""
    for _ in range(2):
        with pytest.raises((TypeError, ValueError), match=words):
            head_of(200, headers, 0)


def test_field_lines() -> None:
    """For trailers and early hints."""
    assert field_lines([(b"link", b"</a>"), (b"X", b"")]) == b"link: </a>\r\nX: \r\n"
    with pytest.raises(TypeError, match="the value of response header b'link' must be bytes"):
        field_lines([(b"link", "</a>")])


def test_names_that_applications_invent_do_not_fill_the_memory() -> None:
    """Some are remembered."""
    for number in range(1000):
        _, lines = head_of(200, [(b"x-%d" % number, b"1")], 0)
        assert lines[0] == b"x-%d: 1" % number
    assert len(answer_head._kinds) <= 512
