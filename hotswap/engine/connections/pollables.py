"""What the loop polls beside connections: listeners, the exchange, its own waker; and whether it is busy with one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from hotswap.engine.connections.poller import READ, WRITABLE

if TYPE_CHECKING:
    from hotswap.engine.connections.poller import Poller
    from hotswap.engine.connections.state import EngineState

Callback = Callable[[int], object]

#: How long a descriptor whose callback has failed is not polled (seconds). It is level-triggered, so that the leader
#: would do nothing else; and not for good, because what was wrong may pass, and connections wait in the exchange.
PAUSE = 0.1
_NEVER = float("inf")


class Pollables:
    """Callbacks by descriptor. Any thread may add and remove, the leading thread runs them.

    `busy`: one runs. A connection may have been accepted or received there that is not among the live ones yet.
    """

    def __init__(self, state: EngineState, poller: Poller) -> None:
        self._state = state
        self._poller = poller
        self.poll = poller.poll
        self._own: dict[int, Callback] = {}
        self._added: dict[int, Callback] = {}
        self._events: dict[int, int] = {}
        self._paused: dict[int, float] = {}  # those whose callback has failed, and until when they are not polled
        self.busy = False
        self.know(state.waker.fd, state.waker.rest)
        self.watch(state.waker.fd)

    def __contains__(self, fd: int) -> bool:
        return fd in self._added or fd in self._own

    def know(self, fd: int, callback: Callback) -> None:
        """`callback(fd)` is what to do for a descriptor of the engine's own, while no other is added for it."""
        self._own[fd] = callback

    def add(self, fd: int, callback: Callback, *, writable: bool = False) -> None:
        """Poll `fd`: `callback(fd)` runs as long as it is readable, or `writable`."""
        with self._state.lock:
            if not self._state.stopped:  # else a thread that finishes late wants to hand its connection over
                self._added[fd] = callback
                self.watch(fd, WRITABLE if writable else READ)

    def remove(self, fd: int) -> None:
        """Do not poll `fd` any more; a callback that runs right now finishes."""
        with self._state.lock:
            if self._added.pop(fd, None) is not None and not self._state.stopped:
                self.rest(fd)

    @property
    def paused(self) -> frozenset[int]:
        """The descriptors that are left alone now, because their callbacks have failed."""
        return frozenset(self._paused)

    # with the lock held

    def watch(self, fd: int, events: int = READ) -> None:
        """Poll `fd`, whose callback is known."""
        self._events[fd] = events
        self._paused.pop(fd, None)
        self._poller.add(fd, events)

    def rest(self, fd: int) -> None:
        """Do not poll `fd`, until `watch`."""
        if self._paused.pop(fd, None) is None:
            with contextlib.suppress(OSError):  # the application has closed it, by its number
                self._poller.remove(fd)

    # on the leading thread

    def run(self, fd: int, mask: int) -> bool:
        """Run the callback of `fd`; False if it has none. One that raises is logged, and left alone for a while."""
        state = self._state
        # Before the look-up: a thread that removes it, and then finds `busy` false, knows that it does not run.
        self.busy = True
        callback = self._callback(fd)
        if callback is not None and mask:
            try:
                callback(fd)
            except Exception:  # noqa: BLE001  a callback of the engine's user must not end the turn of all clients
                state.errors.exception("a source of the engine failed")
                self._pause(fd, callback)
        self.busy = False
        if state.leaving and not state.live:
            # A thread that has asked meanwhile whether the engine is idle was told no.
            state.changed()
        return callback is not None

    def ask(self, now: float) -> float:
        """The clock's question: poll those again whose pause is over. Returns when to ask again."""
        with self._state.lock:
            for fd in [fd for fd, until in self._paused.items() if until <= now]:
                del self._paused[fd]
                with contextlib.suppress(OSError):
                    self._poller.add(fd, self._events.get(fd, READ))
            return min(self._paused.values(), default=_NEVER)

    def _callback(self, fd: int) -> Callback | None:
        return self._added.get(fd) or self._own.get(fd)

    def _pause(self, fd: int, callback: Callback) -> None:
        until = monotonic() + PAUSE
        with self._state.lock:
            if self._callback(fd) is not callback or self._state.stopped:  # removed meanwhile, by any thread
                return
            try:
                self._poller.remove(fd)
            except OSError:  # it is not polled any more: closed, or accepting pauses
                return
            self._paused[fd] = until
        self._state.tick_at(until)
