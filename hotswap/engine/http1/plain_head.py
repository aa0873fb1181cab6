"""The parser of plain heads in Python: the twin of gunicorn_h1c's `parse_request_fast`, for where that is missing.

It accepts what is plainly right, and judges nothing else: what it does not take is read once more by the strict reader,
whose verdict counts. Plain is a target that begins with "/", a method in capitals, and fields with one blank or none
around their values: what browsers, curl and proxies send.

No expression here can match one text in two ways, so a head that does not match costs time in proportion to its length.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_TOKEN = rb"!#$%&'*+\-.^_`|~0-9A-Za-z"  # RFC 9110, section 5.6.2
_CONTROL = rb"\x00-\x08\x0a-\x1f\x7f"  # what no value may have (RFC 9110, section 5.5)
_LINE = re.compile(rb"([A-Z][A-Z-]{2,19}) (/[!\"$-~]*) HTTP/1\.([01])\r\n")
_FIELD = re.compile(rb"(?m)^([%b]+): ?([^%b \t][^%b]*|)(?<![ \t])\r\n" % (_TOKEN, _CONTROL, _CONTROL))
_MOST_BEGUN = 256  # lines: gunicorn_h1c refuses to wait for the end of a head that has more
_LOOKED_AT = 1 << 14  # bytes of a begun head: a client that sends it byte by byte must not cost milliseconds each time


class PlainHead(NamedTuple):
    """A head taken apart. `consumed` is its length in bytes, with the empty line at its end."""

    method: bytes
    path: bytes
    minor_version: int
    headers: list[tuple[bytes, bytes]]
    consumed: int

    @property
    def asgi_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers with their names in lower case, called as gunicorn_h1c calls them."""
        return [(name.lower(), value) for name, value in self.headers]


class NotPlain(ValueError):
    """The strict reader should judge this head."""


class Unfinished(Exception):
    """The head is not all there, and what is there may be the beginning of one."""


def parse_plain(
    data: bytes, _last: int, line: int, fields: int, field_size: int, _any_method: bool = False, _any: bool = False
) -> PlainHead:
    """The head at the start of `data`. Raises NotPlain or Unfinished.

    The arguments are those of `gunicorn_h1c.parse_request_fast`: `line` is the longest request line, `fields` the
    largest number of header lines, `field_size` the largest size of one (bytes), which here no whole head may exceed.
    """
    end = data.find(b"\r\n\r\n") + 4
    if end == 3:
        _check_begun(data, line)
        raise Unfinished
    found = _LINE.match(data)
    if found is None or found.end() - 2 > line or end > field_size:
        raise NotPlain
    start = found.end()
    headers = _FIELD.findall(data, start, end - 2)
    # Each match is a whole line, so where there are as many of them as lines, no line was passed over.
    if len(headers) != data.count(b"\n", start, end - 2) or len(headers) > fields:
        raise NotPlain
    method, path, minor = found.groups()
    return PlainHead(method, path, int(minor), headers, end)


def _check_begun(data: bytes, line: int) -> None:
    """Raise NotPlain if no head begins with `data`: its sender need not wait for the head's deadline."""
    if data.find(b"\r\n") > line or not _beginning().fullmatch(data, 0, _LOOKED_AT):
        raise NotPlain


@lru_cache(1)
def _beginning() -> re.Pattern[bytes]:
    """What gunicorn_h1c takes for the beginning of a head, with all that it forgives: an empty line before it, more
    blanks, any target, folded lines. Made when the first head comes in pieces: it takes half a millisecond.
    """
    value = rb"[^%b]*" % _CONTROL
    begun_field = rb"(?:[%b]+:|[ \t])%b" % (_TOKEN, value)
    fields = rb"(?![ \t])(?:%b\r\n){0,%d}(?:%b\r\n\r?|[%b]*|%b\r?|\r)" % (
        begun_field, _MOST_BEGUN - 1, begun_field, _TOKEN, begun_field,
    )  # fmt: skip
    # Of a version gunicorn_h1c looks at nothing before there are nine bytes.
    version = rb"(?:.{1,8}|HTTP/1\.[0-9]\r(?:\n%b)?)" % fields
    target = rb"[^\x00- \x7f]+"
    line = rb"(?:[%b]*(?: +(?:%b *)?)?|[%b]+ +%b +%b)" % (_TOKEN, target, _TOKEN, target, version)
    return re.compile(rb"(?s)(?:\r|(?:\r\n)?%b)" % line)
