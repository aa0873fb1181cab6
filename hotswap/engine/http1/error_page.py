"""Answers the engine gives by itself: refused requests and failed applications, as gunicorn words their codes."""

from __future__ import annotations

import html
from http import HTTPStatus


class Refusal(Exception):
    """A request that is answered with an error and not shown to the application. The connection is closed
    after it.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def page(code: int, detail: str = "", *, close: bool = True, omit_body: bool = False) -> bytes:
    """A whole HTTP/1.1 error answer. `detail` may hold client input: it is escaped."""
    phrase = HTTPStatus(code).phrase
    body = f"<!doctype html>\n<title>{code} {phrase}</title>\n<h1>{phrase}</h1>\n"
    if detail:
        body += f"<p>{html.escape(detail)}</p>\n"
    raw = body.encode("latin-1", "replace")
    head = f"HTTP/1.1 {code} {phrase}\r\nContent-Type: text/html; charset=latin-1\r\nContent-Length: {len(raw)}\r\n"
    if close:
        head += "Connection: close\r\n"
    return f"{head}\r\n".encode("latin-1") + (b"" if omit_body else raw)
