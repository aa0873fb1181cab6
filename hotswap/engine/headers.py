"""What an application may say in a status line and in header fields, checked once for every name and status seen."""

from __future__ import annotations

import re

# RFC 9110: a name is a token (5.6.2), a value is visible characters, blanks, tabs and obs-text (5.5).
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# PEP 3333 and RFC 9112, section 4: three digits, one space, a reason.
_STATUS = re.compile(r"[1-9][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*)?")
_REMEMBERED = 512

PLAIN, LENGTH, CONNECTION, UPGRADE, DROPPED = range(5)
# Hop-by-hop fields are the server's (PEP 3333 forbids them to applications; gunicorn drops them too), and so
# are these two.
_KINDS = {
    "content-length": LENGTH,
    "connection": CONNECTION,
    "upgrade": UPGRADE,
    **dict.fromkeys(
        (
            "keep-alive",
            "proxy-authenticate",
            "proxy-authorization",
            "te",
            "trailers",
            "transfer-encoding",
            "server",
            "date",
        ),
        DROPPED,
    ),
}

names: dict[str, int] = {}  #: header name as the application wrote it -> kind
statuses: dict[str, tuple[str, int]] = {}  #: status as the application wrote it -> (status line, code)


def learn_name(name: str) -> int:
    """The kind of a header name, remembered. Raises TypeError, ValueError."""
    if not isinstance(name, str):
        raise TypeError(f"a response header's name must be str, not {name!r}")
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is not a response header's name")
    kind = _KINDS.get(name.lower(), PLAIN)
    if len(names) < _REMEMBERED:
        names[name] = kind
    return kind


def check_value(name: str, value: str) -> str:
    """A value that holds more than printable characters, if it may. The error does not show it: it may be a
    secret.
    """
    if not isinstance(value, str):
        raise TypeError(f"the value of response header {name!r} must be str")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"the value of response header {name!r} holds characters that no header may hold")
    return value


def learn_status(status: str) -> tuple[str, int]:
    """The status line and the code, remembered. Raises TypeError, ValueError."""
    if not isinstance(status, str):
        raise TypeError(f"a status must be str, not {status!r}")
    if not _STATUS.fullmatch(status):
        raise ValueError(f"{status!r} is not a status: three digits, a space, a reason")
    known = (f"HTTP/1.1 {status}\r\n" if len(status) > 3 else f"HTTP/1.1 {status} \r\n", int(status[:3]))
    if len(statuses) < _REMEMBERED:
        statuses[status] = known
    return known
