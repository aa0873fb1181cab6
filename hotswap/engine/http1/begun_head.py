"""Whether the bytes that are there may become a head, or their sender need not be waited for."""

from __future__ import annotations

import re
from functools import lru_cache

_TOKEN = rb"!#$%&'*+\-.^_`|~0-9A-Za-z"  # RFC 9110, section 5.6.2
_CONTROL = rb"\x00-\x08\x0a-\x1f\x7f"  # what no value may have (RFC 9110, section 5.5)
_MOST_LINES = 256  # of a begun head that is looked at here; the strict reader waits for more
_LOOKED_AT = 1 << 14  # bytes of a begun head: a client that sends it byte by byte must not cost milliseconds each time


def may_go_on(data: bytes, line: int) -> bool:
    """Whether a head may begin with `data`, which has no end of one. `line` is the longest request line (bytes)."""
    return data.find(b"\r\n") <= line and _beginning().fullmatch(data, 0, _LOOKED_AT) is not None


@lru_cache(1)
def _beginning() -> re.Pattern[bytes]:
    """What may become a head that the strict reader takes: an empty line before it, more blanks than one, any target,
    folded lines. Made when the first head comes in pieces: it takes half a millisecond.
    """
    value = rb"[^%b]*" % _CONTROL
    begun_field = rb"(?:[%b]+:|[ \t])%b" % (_TOKEN, value)
    fields = rb"(?![ \t])(?:%b\r\n){0,%d}(?:%b\r\n\r?|[%b]*|%b\r?|\r)" % (
        begun_field, _MOST_LINES - 1, begun_field, _TOKEN, begun_field,
    )  # fmt: skip
    # Any eight bytes may be the beginning of a version: gunicorn says what is wrong with it when the line is whole.
    version = rb"(?:.{1,8}|HTTP/1\.[0-9]\r(?:\n%b)?)" % fields
    target = rb"[^\x00- \x7f]+"
    request_line = rb"(?:[%b]*(?: +(?:%b *)?)?|[%b]+ +%b +%b)" % (_TOKEN, target, _TOKEN, target, version)
    return re.compile(rb"(?s)(?:\r|(?:\r\n)?%b)" % request_line)
