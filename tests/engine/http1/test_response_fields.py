"""Status lines, header names and values that an application may give, and the pages the engine makes itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hotswap.engine.http1 import response_head
from hotswap.engine.http1.error_page import page
from hotswap.engine.http1.response_head import Stamp, http_date


@pytest.fixture(autouse=True)
def _nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What one test teaches must not help the next."""
    monkeypatch.setattr(response_head, "names", {})
    monkeypatch.setattr(response_head, "statuses", {})
    return iter([None])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("X-A", response_head.PLAIN),
        ("content-LENGTH", response_head.LENGTH),
        ("Connection", response_head.CONNECTION),
        ("Upgrade", response_head.UPGRADE),
        ("Transfer-Encoding", response_head.DROPPED),
        ("Date", response_head.DROPPED),
    ],
)
def test_kinds_of_names(name: str, kind: int) -> None:
    """In whatever letters; remembered as it was written."""
    assert response_head.learn_name(name) == kind
    assert response_head.names == {name: kind}


@pytest.mark.parametrize(
    ("name", "error"),
    [(b"X", TypeError), ("", ValueError), ("X A", ValueError), ("X\n", ValueError), ("é", ValueError)],
)
def test_bad_names(name: Any, error: type[Exception]) -> None:
    """Only a token is a name."""
    with pytest.raises(error, match="response header"):
        response_head.learn_name(name)
    assert response_head.names == {}


def test_values() -> None:
    """What latin-1 holds may stand in one; line ends, other letters and bytes may not, and are not shown."""
    assert response_head.check_value("X", "a\tb é") == "a\tb é"
    with pytest.raises(TypeError, match="value of response header 'X' must be str"):
        response_head.check_value("X", b"secret")  # type: ignore[arg-type]
    for value in ("secret\r\n", "secret\0", "secret 中"):
        with pytest.raises(ValueError, match=r"^the value of response header 'X' holds characters that no"):
            response_head.check_value("X", value)


@pytest.mark.parametrize(
    ("status", "line", "code"),
    [("200 OK", "HTTP/1.1 200 OK\r\n", 200), ("404", "HTTP/1.1 404 \r\n", 404), ("299 é", "HTTP/1.1 299 é\r\n", 299)],
)
def test_statuses(status: str, line: str, code: int) -> None:
    """A reason may be missing, and its space may not."""
    assert response_head.learn_status(status) == (line, code)
    assert response_head.statuses == {status: (line, code)}


@pytest.mark.parametrize(
    ("status", "error"), [(200, TypeError), ("20 OK", ValueError), ("200OK", ValueError), ("200 O\nK", ValueError)]
)
def test_bad_statuses(status: Any, error: type[Exception]) -> None:
    """Three digits, a space, a reason."""
    with pytest.raises(error, match="status"):
        response_head.learn_status(status)


def test_an_application_that_invents_them_does_not_fill_the_memory() -> None:
    """The first are remembered, the others are checked each time."""
    for number in range(600):
        assert response_head.learn_name(f"X-{number}") == response_head.PLAIN
        assert response_head.learn_status(f"200 {number}")[1] == 200
    assert (len(response_head.names), len(response_head.statuses)) == (512, 512)


def test_dates() -> None:
    """In English, whatever the locale."""
    assert http_date(784111777.9) == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_a_stamp_is_made_once_a_second() -> None:
    """And again when the clock is set back by more than a second."""
    stamp = Stamp("hotswap")
    first = stamp.lines(1000.0)
    assert first == "Server: hotswap\r\nDate: Thu, 01 Jan 1970 00:16:40 GMT\r\n"
    assert stamp.lines(1000.9) is first
    assert stamp.lines(999.5) is not first or stamp.text is first
    assert "00:16:41" in stamp.lines(1001.0)
    assert "00:16:30" in stamp.lines(990.0)


def test_pages() -> None:
    """A whole answer; what a client said in it is escaped, and it may be without a body or keep the connection."""
    head, _, body = page(400, "<b>é中").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert head.endswith(b"\r\nConnection: close")
    assert b"<p>&lt;b&gt;\xe9?</p>" in body
    assert b"Content-Length: %d\r\n" % len(body) in head
    head, _, body = page(500, close=False, omit_body=True).partition(b"\r\n\r\n")
    assert b"Connection" not in head
    assert body == b""
    assert b"<p>" not in page(500)
