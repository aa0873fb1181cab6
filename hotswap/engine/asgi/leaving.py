"""Leaving with requests that are tasks: see `engine.connections.draining`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hotswap.engine.connections.draining import Leaving

if TYPE_CHECKING:
    from hotswap.engine.asgi.calls import Calls
    from hotswap.engine.asgi.loop_thread import LoopThread
    from hotswap.engine.connections.acceptor import Acceptor
    from hotswap.engine.connections.parts import ConnectionParts
    from hotswap.engine.values import InFlight


class AsgiLeaving(Leaving):
    """Any thread may call, but no two at once; nothing here waits for the loop, which the application may block."""

    def __init__(self, parts: ConnectionParts, acceptor: Acceptor, calls: Calls, thread: LoopThread) -> None:
        super().__init__(parts.table, parts.idle, parts.listeners, acceptor, tuple)
        self._calls = calls
        self._thread = thread

    def hammer(self) -> list[InFlight]:
        """End every connection, and cancel every call."""
        cut = super().hammer()
        self._thread.call_soon(self._calls.cancel_all)
        return cut

    def in_flight(self) -> list[InFlight]:
        """The calls that have not returned, also those whose answer is complete."""
        return self._calls.in_flight()
