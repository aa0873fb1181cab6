"""Tells whether the platform has what hot restart is built on."""

from __future__ import annotations

import select

#: The sentence for a platform that has not.
NEEDED = "hot restart needs Linux, and this platform has no epoll"


def restarts_hot() -> bool:
    """Return whether there is epoll(7): on Linux, unless gevent.monkey has removed it; not on macOS or Windows."""
    return hasattr(select, "epoll")
