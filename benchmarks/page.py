"""The page of a benchmark: what was found with WSGI, and behind it the section for ASGI.

Each half is measured and written by itself, and leaves the other as it was.
"""

from __future__ import annotations

from benchmarks.workloads import WSGI

_SECTION = "## ASGI\n"


def with_half(page: str, interface: str, half: str) -> str:
    """The page with that half in the place of what it had of it."""
    wsgi, section, asgi = page.partition(_SECTION)
    if interface == WSGI:
        return half + ("\n" + section + asgi if section else "")
    return (wsgi.rstrip() + "\n\n" if wsgi.strip() else "") + half
