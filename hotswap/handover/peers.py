"""The other processes that serve the same listeners, as one engine meets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hotswap.handover.exchange import Exchange

Later = Callable[[float, Callable[[], object]], object]


class Peers(NamedTuple):
    """What an engine knows of the other processes.

    receiving: whether what is sent over the exchange will be received; any of the engine's threads may ask.
    has_room: whether this process, which has so many connections, should receive more; asked on the leading thread,
        whenever a message waits in the exchange. None: it takes all that it gets.
    later: `later(seconds, call)` runs a call on the main thread; any thread may ask for that.
    """

    exchange: Exchange
    receiving: Callable[[], bool]
    later: Later
    has_room: Callable[[int], bool] | None = None
