"""Which listeners are polled: none before open(), and none while there is no room for another connection."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hotswap.engine.connections.pollables import Pollables
    from hotswap.engine.connections.state import EngineState

_TRY_AGAIN = 0.5  # seconds
_SAY_AGAIN = 60.0  # seconds between two lines about it: a server at its limit pauses many times a second
_NEVER = float("inf")


class ListenerPolling:
    """Turns the polling of all listeners on and off. Any thread may call."""

    def __init__(self, state: EngineState, pollables: Pollables, fds: Iterable[int]) -> None:
        self._state = state
        self._pollables = pollables
        self._fds = frozenset(fds)
        self._polled: set[int] = set()
        self._retry = _NEVER
        self._said = -_SAY_AGAIN
        self.open = False

    def start(self) -> None:
        """Poll the listeners."""
        with self._state.lock:
            self.open = True
            self._poll()

    def stop(self) -> None:
        """Do not poll them any more. They stay open: closing is their owner's."""
        with self._state.lock:
            self.open = False
            self._pause()

    def _poll(self) -> None:
        self._retry = _NEVER
        for fd in self._fds - self._polled:
            self._pollables.watch(fd)
            self._polled.add(fd)

    def _pause(self) -> None:
        for fd in self._polled:
            self._pollables.rest(fd)
        self._polled.clear()

    @property
    def full(self) -> bool:
        """True if there are as many connections as there may be; adopted ones count for descriptors only."""
        live, limits = len(self._state.live), self._state.limits
        return live - self._state.adopted >= limits.connections or live >= limits.descriptors

    def wait_for_room(self, why: str) -> None:
        """Do not poll them until a connection ends, or a while has passed. On the leading thread."""
        now = monotonic()
        self._retry = now + _TRY_AGAIN
        self._state.tick_at(self._retry)
        with self._state.lock:
            self._pause()
        if now - self._said >= _SAY_AGAIN:
            self._said = now
            self._state.log.warning("%s: accepting pauses until one ends", why)

    def room_again(self) -> None:
        """A connection has ended, in any thread."""
        if self._retry != _NEVER and not self.full:
            with self._state.lock:
                if self.open and not self._state.stopped:
                    self._poll()

    def ask(self, now: float) -> float:
        """The clock's question after an EMFILE: descriptors become free without any connection of ours ending.

        Returns when to ask again.
        """
        if self._retry <= now:
            self.room_again()
        return self._retry
