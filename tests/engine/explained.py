"""Where the engine and gunicorn's Python parser may differ over a stream, each difference with its reason.

What is not here is a fault of the one or the other.
"""

from __future__ import annotations

from tests.engine.streams import REFUSED, SILENCE, Seen, Verdict

#: Words of a refusal by the engine, where gunicorn serves the request or waits for the rest of it -> why.
STRICTER = {
    "no Host header": "RFC 9112, section 3.2: a request without Host MUST be answered with 400; gunicorn leaves it",
    "is not a host": "RFC 9112, section 3.2: the same for a Host that is none",
    "too large to be one": "a length of 19 digits and more overflows 64 bits somewhere down the line",
    "does not begin with SCRIPT_NAME": "gunicorn finds this out later, when it makes the environ",
}
#: The same, where gunicorn only waits for the rest of it.
EARLIER = {
    "not an HTTP request": "it can only end badly, and its sender need not wait for the head's deadline",
    "does not end with CRLF": "a bare LF stays one, whatever follows",
    "the body is not chunked": "a chunk of 2**63 bytes and more will not come",
    "is too long": "so is a line or a head that is over the limit",
}
LATER = "the engine judges a head or a body that is whole; of one that is cut, nothing was served"
CLOSES = "Connection is a list (RFC 9110, section 7.6.1), and close in it counts; gunicorn knows it standing alone only"
KEEPS = "so does keep-alive"


def explain(ours: Verdict, theirs: Verdict) -> str:
    """Why they differ; "" if nothing explains it, and "the same" if they do not."""
    common = min(len(ours.requests), len(theirs.requests))
    if ours.requests[:common] != theirs.requests[:common]:
        return ""
    if len(ours.requests) == len(theirs.requests):
        if ours.end == theirs.end:
            return "the same"
        if (ours.end, theirs.end) == (SILENCE, REFUSED):
            return LATER
        return _reason(ours, STRICTER | EARLIER) or _connection(theirs.requests, "keep-alive", KEEPS)
    if len(ours.requests) < len(theirs.requests):
        return _reason(ours, STRICTER) if ours.end == REFUSED else _connection(ours.requests, "close", CLOSES)
    return _connection(theirs.requests, "keep-alive", KEEPS) if theirs.end == SILENCE else ""


def _reason(ours: Verdict, table: dict[str, str]) -> str:
    return next((why for words, why in table.items() if words in ours.reason), "")


def _connection(served: tuple[Seen, ...], token: str, why: str) -> str:
    """`why`, if the last request that both served has a list as its Connection, and the token in it."""
    tokens = dict(served[-1].headers).get("HTTP_CONNECTION", "").lower().split(",") if served else []
    return why if len(tokens) > 1 and token in [one.strip(" \t") for one in tokens] else ""
