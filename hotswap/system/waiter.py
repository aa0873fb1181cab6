"""The one place where a generation's main thread waits: for descriptors, timers, and calls from other threads."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import selectors
import time
from collections import deque
from collections.abc import Callable

Callback = Callable[[], object]


class Timer:
    """A call that is due later; `cancel()` any time, as often as wanted."""

    __slots__ = ("callback", "due")

    def __init__(self, due: float, callback: Callback) -> None:
        self.due = due
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        self.callback = None


class Waiter:
    """Waits with epoll and runs callbacks on the thread that calls `wait()`.

    `clock` returns seconds and never goes back; tests pass their own.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._calls: deque[Callback] = deque()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.watch(self._wake_read, self._drain_wakeups)

    def close(self) -> None:
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
        self._wake_write = -1

    def watch(self, fd: int, callback: Callback) -> None:
        """Call `callback` whenever `fd` is readable."""
        self._selector.register(fd, selectors.EVENT_READ, callback)

    def unwatch(self, fd: int) -> None:
        """Forget `fd`; it is no error if it is not watched. To be called before it is closed."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(fd)

    def later(self, seconds: float, callback: Callback) -> Timer:
        """Call `callback` once, `seconds` from now."""
        timer = Timer(self._clock() + seconds, callback)
        heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        return timer

    def call(self, callback: Callback) -> None:
        """Call `callback` on the waiting thread; any thread may ask, a signal handler may not."""
        self._calls.append(callback)
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._wake_write, b"\0")

    def wait(self) -> None:
        """Wait for the next thing to happen and run what is due."""
        for key, _ in self._selector.select(self._timeout()):
            key.data()
        self._run_calls()
        self._run_timers()

    def _timeout(self) -> float | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self._clock()) if self._timers else None

    def _drain_wakeups(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_read, 4096):
                pass

    def _run_calls(self) -> None:
        # Only what is there now: a call that asks for another one must not keep the loop from waiting.
        for _ in range(len(self._calls)):
            self._calls.popleft()()

    def _run_timers(self) -> None:
        now = self._clock()
        while self._timers and self._timers[0][0] <= now:
            callback = heapq.heappop(self._timers)[2].callback
            if callback is not None:
                callback()
