"""The end of a text that is too long: the end of a traceback says most."""

from __future__ import annotations


def tail(text: str, limit: int) -> str:
    """Return the last `limit` characters of `text`; what UTF-8 cannot hold is escaped."""
    return text.encode("utf-8", "backslashreplace").decode()[-limit:]


def utf8_tail(text: str, limit: int) -> bytes:
    """Return the last characters of `text`, at most `limit` bytes of UTF-8; what UTF-8 cannot hold is escaped."""
    raw = text.encode("utf-8", "backslashreplace")
    return raw if len(raw) <= limit else raw[-limit:].decode("utf-8", "ignore").encode()
