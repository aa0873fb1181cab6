"""What a connection without a socket can say of itself, and how much the settings let it hold."""

from __future__ import annotations

import resource
import select

import pytest

from hotswap.engine import limits
from hotswap.engine.connections.connection import BODY, FIN, HEAD, IDLE, WRITE
from tests.engine.http1.parsing import Parser

PARSER = Parser()


@pytest.mark.parametrize(
    ("phase", "data", "movable"),
    [
        (IDLE, b"", True),
        (HEAD, b"12345", True),
        (HEAD, b"123456", False),
        (BODY, b"", False),
        (WRITE, b"", False),
        (FIN, b"", False),
    ],
)
def test_only_what_is_between_requests_can_move(phase: int, data: bytes, movable: bool) -> None:
    """With no more bytes than may travel; not with keys, and not while its request runs."""
    conn = PARSER.connection()
    conn.phase, conn.data = phase, data
    assert conn.movable(5) is movable
    conn.tls = True
    assert not conn.movable(5)
    conn.tls, conn.request = False, PARSER.get()
    assert not conn.movable(5)


def test_a_plain_connection_waits_for_what_it_is_told_to() -> None:
    """Only TLS may want to read in order to write."""
    assert PARSER.connection().waits_for() == select.EPOLLIN
    assert PARSER.connection().waits_for(select.EPOLLOUT) == select.EPOLLOUT


@pytest.mark.parametrize(
    ("setting", "value", "limit", "expected"),
    [
        ("limit_request_line", 0, "line", 1 << 20),
        ("limit_request_line", 100, "line", 100),
        ("limit_request_line", 9000, "line", limits.MAX_LINE),
        ("limit_request_fields", 0, "fields", limits.MAX_FIELDS),
        ("limit_request_fields", 7, "fields", 7),
        ("limit_request_field_size", 0, "field_size", limits.DEFAULT_FIELD_SIZE),
        ("limit_request_field_size", 50, "field_size", 50),
        ("threads", 9, "uploads", 4),
        ("threads", 1, "uploads", 1),
    ],
)
def test_limits_are_gunicorns(setting: str, value: int, limit: str, expected: int) -> None:
    """0 is no limit, or as much as gunicorn allows at most."""
    assert getattr(Parser(**{setting: value}).limits, limit) == expected


@pytest.mark.parametrize(("soft", "expected"), [(resource.RLIM_INFINITY, 1 << 20), (1024, 896), (100, 50), (1, 1)])
def test_descriptors_leave_some_to_everything_else(monkeypatch: pytest.MonkeyPatch, soft: int, expected: int) -> None:
    """Half of them where there are few."""
    monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, soft))
    assert PARSER.limits.connections == 1000
    assert limits.Limits.from_options(PARSER.options).descriptors == expected
