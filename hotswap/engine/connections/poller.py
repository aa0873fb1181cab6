"""The epoll of one engine."""

from __future__ import annotations

import select
from typing import Protocol

READ = select.EPOLLIN
WRITABLE = select.EPOLLOUT
RECV = 1 << 14  #: bytes read at once from a connection that may begin a request


class Epoll(Protocol):
    """The part of `select.epoll` that the engine uses: tests put one in its place that stops a thread."""

    def register(self, fd: int, events: int, /) -> None: ...
    def modify(self, fd: int, events: int, /) -> None: ...
    def unregister(self, fd: int, /) -> None: ...
    def poll(self, timeout: float, maxevents: int, /) -> list[tuple[int, int]]: ...
    def close(self) -> None: ...
    def fileno(self) -> int: ...


class Poller:
    """What the leading thread waits for. Level-triggered: an event is told until its cause has gone.

    Any thread may add and remove descriptors (epoll_ctl(2) is thread-safe); they raise OSError for a descriptor that
    is not open, and ValueError after close(). `poll(seconds, most)` is called by the leading thread alone.
    """

    def __init__(self, epoll: Epoll | None = None) -> None:
        epoll = epoll or select.epoll()
        self.poll = epoll.poll
        self.add = epoll.register
        self.change = epoll.modify
        self.remove = epoll.unregister
        self.close = epoll.close
        self.fileno = epoll.fileno
