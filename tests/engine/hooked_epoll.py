"""An epoll that calls a test before it changes what is polled: in the engine's own thread, at that very moment."""

from __future__ import annotations

import select
from collections.abc import Callable

Hook = Callable[[str, int], object]


def nothing(act: str, fd: int) -> None:
    """The hook of a test that waits for its moment."""


class HookedEpoll:
    """`before(act, fd)` is called before each "register", "modify", "unregister" and "poll", `after` behind the first
    three."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.before: Hook = nothing
        self.after: Hook = nothing

    def register(self, fd: int, events: int, /) -> None:
        self.before("register", fd)
        self._epoll.register(fd, events)
        self.after("register", fd)

    def modify(self, fd: int, events: int, /) -> None:
        self.before("modify", fd)
        self._epoll.modify(fd, events)
        self.after("modify", fd)

    def unregister(self, fd: int, /) -> None:
        self.before("unregister", fd)
        self._epoll.unregister(fd)
        self.after("unregister", fd)

    def poll(self, timeout: float, maxevents: int, /) -> list[tuple[int, int]]:
        self.before("poll", -1)
        return self._epoll.poll(timeout, maxevents)

    def close(self) -> None:
        self._epoll.close()

    def fileno(self) -> int:
        return self._epoll.fileno()
