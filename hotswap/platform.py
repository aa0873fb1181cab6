"""The one question about the platform: whether it has what hot restart is built on."""

from __future__ import annotations

import select

#: What is said where it has not.
NEEDED = "hot restart needs Linux, and this platform has no epoll"


def restarts_hot() -> bool:
    """Whether there is epoll(7): on Linux; not on macOS or Windows, nor where gevent.monkey has removed it."""
    return hasattr(select, "epoll")
