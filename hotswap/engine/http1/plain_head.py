"""Takes plain heads apart, in Python: the twin of `engine.native.heads`, for where that is missing.

It accepts what is plainly right, and judges nothing else: what it does not take is read once more by the strict reader,
whose verdict counts. Plain is a target that begins with "/", a method in capitals, and fields with one blank or none
around their values: what browsers, curl and proxies send.

No expression here can match one text in two ways, so a head that does not match costs time in proportion to its length.
"""

from __future__ import annotations

import re

#: Method, target, minor version, fields, and the head's length in bytes, with the empty line at its end.
PlainHead = tuple[bytes, bytes, int, list[tuple[bytes, bytes]], int]

_TOKEN = rb"!#$%&'*+\-.^_`|~0-9A-Za-z"  # RFC 9110, section 5.6.2
_CONTROL = rb"\x00-\x08\x0a-\x1f\x7f"  # what no value may have (RFC 9110, section 5.5)
_LINE = re.compile(rb"([A-Z][A-Z-]{2,19}) (/[!\"$-~]*) HTTP/1\.([01])\r\n")
_FIELD = re.compile(rb"(?m)^([%b]+): ?([^%b \t][^%b]*|)(?<![ \t])\r\n" % (_TOKEN, _CONTROL, _CONTROL))


def read_plain_head(data: bytes, line: int, fields: int, size: int, lower: bool, /) -> PlainHead | None:
    """The head at the start of `data`; None if it is not plain, or not all there.

    `line` is the longest request line (bytes, without its CRLF), `fields` the largest number of header lines, `size`
    the largest size of a whole head. With `lower` the names of fields are in lower case, else as they were sent.
    """
    end = data.find(b"\r\n\r\n") + 4
    found = _LINE.match(data)
    if found is None or end == 3 or found.end() - 2 > line or end > size:
        return None
    start = found.end()
    headers = _FIELD.findall(data, start, end - 2)
    # Each match is a whole line, so where there are as many of them as lines, no line was passed over.
    if len(headers) != data.count(b"\n", start, end - 2) or len(headers) > fields:
        return None
    method, target, minor = found.groups()
    if lower:
        headers = [(name.lower(), value) for name, value in headers]
    return method, target, int(minor), headers, end
