"""The head of an answer: how its body is framed, what it says of the connection, what the application may not say."""

from __future__ import annotations

import pytest

from hotswap.engine.http1.request import Request
from hotswap.engine.http1.response_head import ResponseHead

Headers = list[tuple[str, str]]


def head_of(
    status: str,
    headers: Headers,
    whole: int | None,
    *,
    method: str = "GET",
    http11: bool = True,
    keep: bool = True,
) -> tuple[ResponseHead, list[str]]:
    """The head, and its lines without the status line, Server and Date."""
    request = Request(method, "/", "/")
    request.http11 = http11
    head = ResponseHead(request, keep)
    head.take(status, headers)
    first, server, date, *lines = head.make(whole).decode("latin-1").split("\r\n")
    assert first == f"HTTP/1.1 {status}"
    assert (server, date[:6]) == ("Server: hotswap", "Date: ")
    assert lines[-2:] == ["", ""]
    assert head.headers_sent
    return head, lines[:-2]


@pytest.mark.parametrize(
    ("headers", "whole", "http11", "lines", "chunked", "keep"),
    [
        ([], 5, True, ["Content-Length: 5"], False, True),
        ([], 0, True, ["Content-Length: 0"], False, True),
        ([("Content-Length", "7")], 5, True, ["Content-Length: 7"], False, True),
        ([("Content-Length", "7")], None, True, ["Content-Length: 7"], False, True),
        ([], None, True, ["Transfer-Encoding: chunked"], True, True),
        ([], None, False, ["Connection: close"], False, False),
        ([], 5, False, ["Content-Length: 5", "Connection: keep-alive"], False, True),
    ],
)
def test_framing(
    headers: Headers, whole: int | None, http11: bool, lines: list[str], chunked: bool, keep: bool
) -> None:
    """By the length that the application or the server knows, by chunks, or by closing."""
    head, found = head_of("200 OK", headers, whole, http11=http11)
    assert found == lines
    assert (head.chunked, head.keep, head.omit) == (chunked, keep, False)


@pytest.mark.parametrize(
    ("status", "method", "headers", "lines", "length"),
    [
        ("204 No Content", "GET", [("Content-Length", "3")], [], None),
        ("199 Early", "GET", [], [], None),
        ("304 Not Modified", "GET", [], [], None),
        ("304 Not Modified", "GET", [("Content-Length", "3")], ["Content-Length: 3"], 3),
        ("200 OK", "HEAD", [("Content-Length", "3")], ["Content-Length: 3"], 3),
        ("200 OK", "HEAD", [], [], None),
    ],
)
def test_answers_without_a_body(
    status: str, method: str, headers: Headers, lines: list[str], length: int | None
) -> None:
    """A length that is said anyway is the one that the body would have."""
    head, found = head_of(status, headers, 5, method=method)
    assert found == lines
    assert (head.omit, head.length) == (True, length)


@pytest.mark.parametrize(
    ("headers", "line", "keep", "upgraded"),
    [
        ([("Connection", "Close")], "Connection: close", False, False),
        ([("Connection", "upgrade"), ("Upgrade", "WebSocket")], "Connection: upgrade", False, True),
        ([("Connection", "keep-alive")], None, True, False),
    ],
)
def test_what_is_said_of_the_connection(headers: Headers, line: str | None, keep: bool, upgraded: bool) -> None:
    """It is the server's to say; the application may ask for the end, or for another protocol."""
    head, lines = head_of("200 OK", headers, 0)
    assert [found for found in lines if found.startswith("Connection")] == [line] * (line is not None)
    assert (head.keep, head.upgraded) == (keep, upgraded)


def test_what_the_application_says_is_sent_as_it_says_it() -> None:
    """In its order, twice if it says it twice; without hop-by-hop fields, and no other protocol than websocket."""
    headers = [
        ("X-B", "1"), ("Set-Cookie", "a=é"), ("Set-Cookie", "b\t"), ("Server", "other"), ("TE", "x"),
        ("Upgrade", "h2c"), ("Upgrade", "websocket"),
    ]  # fmt: skip
    _, lines = head_of("200 OK", headers, 0)
    assert lines == ["X-B: 1", "Set-Cookie: a=é", "Set-Cookie: b\t", "Upgrade: websocket", "Content-Length: 0"]


def test_a_connection_that_ends_says_so() -> None:
    """Also one whose application says nothing of it."""
    assert head_of("200 OK", [], 0, keep=False)[1] == ["Content-Length: 0", "Connection: close"]


@pytest.mark.parametrize("length", ["-1", "1.5", "", "²"])
def test_a_length_that_is_none(length: str) -> None:
    """Only digits are one."""
    with pytest.raises(ValueError, match="is not a Content-Length"):
        head_of("200 OK", [("Content-Length", length)], 0)


def test_the_lines_that_a_lane_in_c_asks_for() -> None:
    """Server and Date, for a moment that the lane names."""
    assert ResponseHead.server_and_date(0.5) == "Server: hotswap\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
