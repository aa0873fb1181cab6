"""The end of websockets when the process leaves: they cannot move, so each is closed, and its client comes back.

At a restart they are spread over a time, so that clients do not come back all at once; at a stop all are closed now.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

    from hotswap.engine.asgi.loop_state import LoopState


#: RFC 6455, section 7.4.1, and the IANA registry of close codes.
GOING_AWAY, SERVICE_RESTART = 1001, 1012


class OpenWebsocket(Protocol):
    """See `WebsocketCall`."""

    def close_soon(self, code: int) -> None: ...


class WebsocketClosings:
    """Which websockets are open, and when each of them is closed. On the loop's thread.

    `drain_s`: over how many seconds the closings of a restart are spread.
    """

    def __init__(self, state: LoopState, drain_s: float) -> None:
        self._state = state
        self._drain_s = drain_s
        self._open: dict[OpenWebsocket, asyncio.TimerHandle | None] = {}
        self._code = 0  # with which they are closed; 0: they stay
        self._until = 0.0

    def opened(self, websocket: OpenWebsocket) -> None:
        """It is open from now on; one that opens while the process leaves is closed with the last."""
        self._open[websocket] = None
        if self._code:
            self._close_in(websocket, max(0.0, self._until - monotonic()))

    def closed(self, websocket: OpenWebsocket) -> None:
        """It ends, for whatever reason."""
        timer = self._open.pop(websocket, None)
        if timer is not None:
            timer.cancel()

    def begin(self, *, stops: bool) -> None:
        """Close all, the first after its share of the time, the last at its end; at once if the server stops."""
        self.cancel()
        self._code = GOING_AWAY if stops else SERVICE_RESTART
        time_s = 0.0 if stops else self._drain_s
        self._until = monotonic() + time_s
        for number, websocket in enumerate(list(self._open), 1):
            self._close_in(websocket, time_s * number / len(self._open))

    def cancel(self) -> None:
        """Those that are still open stay: the process serves again."""
        self._code = 0
        for websocket, timer in self._open.items():
            if timer is not None:
                timer.cancel()
                self._open[websocket] = None

    def _close_in(self, websocket: OpenWebsocket, seconds: float) -> None:
        state = self._state
        self._open[websocket] = state.loop.call_later(seconds, websocket.close_soon, self._code, context=state.context)
