"""A loop that runs many clients on one thread: coroutines that wait for a socket, a deadline or news.

asyncio would do, but its streams hide when the peer's FIN and RST arrive, which is what these clients are
there to learn, and every deadline would cost a task.
"""

from __future__ import annotations

import heapq
import selectors
import socket
import threading
import time
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from types import coroutine
from typing import Any

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
DEADLINE, NEWS = 0, 4
"""What a wait is answered with, beside READ and WRITE: its time is over; another thread has called `tell()`."""

Client = Coroutine[Any, Any, None]


@dataclass(frozen=True)
class _Wait:
    sock: socket.socket | None
    events: int
    deadline: float
    news: bool


@coroutine
def wait(sock: socket.socket | None, events: int, deadline: float, *, news: bool = False) -> Generator[_Wait, int, int]:
    """Waits for an event, for the deadline (of `time.monotonic()`), or for news if asked; says which came."""
    return (yield _Wait(sock, events, deadline, news))


class _Task:
    """A client and what it waits for; `ticket` tells its present wait from older ones in the heap."""

    __slots__ = ("coro", "events", "news", "sock", "ticket")

    def __init__(self, coro: Client) -> None:
        self.coro = coro
        self.events = 0
        self.news = False
        self.sock: socket.socket | None = None
        self.ticket = 0


class Loop:
    """Runs spawned clients until all have returned. Only `tell()` may be called from other threads."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._tasks: set[_Task] = set()
        self._timers: list[tuple[float, int, _Task]] = []
        self._tickets = 0
        self._told, self._teller = socket.socketpair()
        self._told.setblocking(False)
        self._selector.register(self._told, READ)
        self._closing = threading.Lock()

    def spawn(self, client: Client) -> None:
        """Adds a client; it begins when the loop runs."""
        self._tasks.add(_Task(client))

    def tell(self) -> None:
        """Wakes every client that waits for news; calling it when the loop has ended does nothing."""
        with self._closing:
            if self._teller.fileno() >= 0:
                self._teller.send(b"!")

    def forget(self, sock: socket.socket) -> None:
        """Must be called before a socket that was waited for is closed."""
        if sock.fileno() >= 0 and sock in self._selector.get_map():
            self._selector.unregister(sock)

    def run(self) -> None:
        """Returns when the last client has; an exception in a client is its mistake, and ends the loop."""
        for task in list(self._tasks):
            self._resume(task, DEADLINE, first=True)
        try:
            while self._tasks:
                self._turn()
        finally:
            self._close()

    def _close(self) -> None:
        for task in self._tasks:
            task.coro.close()
        self._selector.close()
        with self._closing:
            self._told.close()
            self._teller.close()

    def _turn(self) -> None:
        timeout = min(max(0.0, self._timers[0][0] - time.monotonic()), 3600.0)  # a deadline may be infinite
        for key, mask in self._selector.select(timeout):
            task = key.data
            if task is None:
                self._hear()
            elif task.sock is key.fileobj and mask & task.events:
                # Only then, because news in the same turn may have changed what it waits for.
                self._resume(task, mask)
        self._expire(time.monotonic())

    def _hear(self) -> None:
        self._told.recv(4096)
        for task in [task for task in self._tasks if task.news]:
            self._resume(task, NEWS)

    def _expire(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            _, ticket, task = heapq.heappop(self._timers)
            if task.ticket == ticket:
                self._resume(task, DEADLINE)

    def _resume(self, task: _Task, answer: int, *, first: bool = False) -> None:
        task.ticket, task.events, task.news = -1, 0, False
        try:
            wanted = task.coro.send(None if first else answer)
        except StopIteration:
            self._tasks.discard(task)
            return
        self._tickets += 1
        task.ticket, task.events, task.news = self._tickets, wanted.events, wanted.news
        heapq.heappush(self._timers, (wanted.deadline, task.ticket, task))
        self._arm(task, wanted)

    def _arm(self, task: _Task, wanted: _Wait) -> None:
        """A socket stays registered between two equal waits, so that most of them need no system call."""
        if task.sock is not None and task.sock is not wanted.sock:
            self.forget(task.sock)
        task.sock = wanted.sock
        if wanted.sock is None:
            return
        try:
            if self._selector.get_key(wanted.sock).events != wanted.events:
                self._selector.modify(wanted.sock, wanted.events, task)
        except KeyError:
            self._selector.register(wanted.sock, wanted.events, task)
