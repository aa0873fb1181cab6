"""The main thread's event loop: it waits for descriptors, timers, and calls from other threads."""

from __future__ import annotations

import contextlib
import functools
import heapq
import itertools
import selectors
import time
from collections import deque
from collections.abc import Callable

from hotswap.system.wake_pipe import WakePipe

#: How long a descriptor whose callback has failed is left alone (seconds).
PAUSE = 0.1

Callback = Callable[[], object]


class Timer:
    """A call that is due later, from `later`. `cancel()` may be called at any time, and again; main thread only."""

    __slots__ = ("callback", "due")

    def __init__(self, due: float, callback: Callback) -> None:
        self.due = due
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        self.callback = None


class MainLoop:
    """Waits with epoll and runs callbacks on the thread that calls `wait()`, the main thread.

    Thread: the main thread only, except `call` and `call_later`, which any thread may use.
    Args: `clock` returns seconds and never goes back; tests pass their own.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        #: descriptors that are left alone for a moment, because their callback has failed
        self._paused: dict[int, Callback] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._calls: deque[Callback] = deque()
        self._pipe = WakePipe()
        self.watch(self._pipe.fd, self._pipe.rest)

    def close(self) -> None:
        """End the loop: no callback runs any more. A thread that has not heard of it may still use `call`."""
        self._selector.close()

    def abandon(self) -> None:
        """Called in a forked child: close the descriptors with which the parent waits."""
        self.close()
        self._pipe.abandon()

    def watch(self, fd: int, callback: Callback) -> None:
        """Call `callback` whenever `fd` is readable. Raises KeyError if it is watched already, OSError from epoll."""
        self._paused.pop(fd, None)
        self._selector.register(fd, selectors.EVENT_READ, callback)

    def unwatch(self, fd: int) -> None:
        """Stop watching `fd`; an `fd` that is not watched is no error. The caller closes it afterwards, not before."""
        self._paused.pop(fd, None)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(fd)

    def later(self, seconds: float, callback: Callback) -> Timer:
        """Call `callback` once, `seconds` from now, unless the timer that this returns is cancelled."""
        timer = Timer(self._clock() + seconds, callback)
        heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        return timer

    def call_later(self, seconds: float, callback: Callback) -> None:
        """Call `callback` once on the waiting thread, `seconds` from when it hears of it. Any thread may use this."""
        self.call(lambda: self.later(seconds, callback))

    def call(self, callback: Callback) -> None:
        """Call `callback` once on the waiting thread. Any thread may use this; a signal handler may not."""
        self._calls.append(callback)
        self._pipe.wake()

    def wait(self, failed: Callback | None = None) -> None:
        """Wait until a descriptor is readable, a call was asked for or a timer is due; then run those callbacks.

        `failed` is called while the exception of a callback is being handled; then the other callbacks run all the
        same. If the exception went through, a descriptor that is always ready, with a callback that always fails, would
        keep the descriptors behind it, every call and every timer from their turn; and the loop would spin, therefore
        such a descriptor is left alone for PAUSE. Raises, if there is no `failed`, what a callback raises; the other
        callbacks that were due then run in the next `wait`.
        """
        for key in self._ready(failed):
            if not self._run(key.data, failed):
                self._pause(key)
        # Only the calls that are there now: one that asks for another one must not keep the loop from waiting.
        for _ in range(len(self._calls)):
            self._run(self._calls.popleft(), failed)
        self._run_timers(failed)

    def _ready(self, failed: Callback | None) -> list[selectors.SelectorKey]:
        try:
            return [key for key, _ in self._selector.select(self._timeout())]
        except Exception:
            if failed is None:
                raise
            failed()
            # The application has closed all descriptors, epoll's too; timers, at least, go on.
            time.sleep(PAUSE)
            return []

    def _run(self, callback: Callback, failed: Callback | None) -> bool:
        """Return whether the callback has not failed."""
        try:
            callback()
        except Exception:
            if failed is None:
                raise
            failed()
            return False
        return True

    def _pause(self, key: selectors.SelectorKey) -> None:
        if self._selector.get_map().get(key.fd) is key:  # else its own callback has unwatched it
            self.unwatch(key.fd)
            self._paused[key.fd] = key.data
            self.later(PAUSE, functools.partial(self._go_on, key.fd, key.data))

    def _go_on(self, fd: int, callback: Callback) -> None:
        if self._paused.get(fd) is callback:
            self.watch(fd, callback)

    def _timeout(self) -> float | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self._clock()) if self._timers else None

    def _run_timers(self, failed: Callback | None) -> None:
        now = self._clock()
        while self._timers and self._timers[0][0] <= now:
            callback = heapq.heappop(self._timers)[2].callback
            if callback is not None:
                self._run(callback, failed)
