"""Connections on their way in: what waits in the exchange, until an engine serves it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence

from hotswap.engine import Engine, Moved
from hotswap.handover.exchange import NoRoom
from hotswap.handover.outbox import to_moved
from hotswap.handover.peers import Peers
from hotswap.handover.wire import ExchangeError

#: How long the exchange is left alone when there is no room for connections here (seconds).
_FULL_PAUSE = 0.2
#: How often that is said (seconds): it lasts until connections are closed.
_SAY_AGAIN = 60.0
#: How long the exchange is left to processes that have fewer connections, and how often in a row (seconds, times):
#: should they be stuck, what waits there must not wait for them.
_YIELD, _YIELDS = 0.002, 10
#: How many messages `take_out` receives at most: another process that sends at the same time must not keep us there.
_TAKEN_OUT = 64


class Incoming:
    """Receives from the exchange, like one more listener that the engine polls.

    `keys` are the listeners' that this process has; `connections()` is how many connections it has, with those that it
    is about to send. `begin`, `end` and `take_out` are called on the main thread; messages are received on the engine's
    leading thread.
    """

    def __init__(self, engine: Engine, peers: Peers, keys: Sequence[str], connections: Callable[[], int]) -> None:
        self._engine = engine
        self._exchange = peers.exchange
        self._peers = peers
        self._keys = keys
        self._connections = connections
        #: never raises, as the engine's threads need it
        self._log = engine.log
        self._wanted = False
        self._polls = False
        self._yielded = 0
        self._said = -_SAY_AGAIN

    def begin(self) -> None:
        """Receive from now on."""
        self._wanted = True
        self._poll()

    def end(self) -> None:
        """Receive no more, until `begin`."""
        self._wanted = False
        self._stop_polling()

    def take_out(self) -> None:
        """Receive what waits in the exchange now; the engine serves it, or gives it on, or drains it, as it does.

        Never raises: what is here already has to leave, too.
        """
        try:
            with contextlib.suppress(NoRoom):
                for _ in range(_TAKEN_OUT):
                    if not self._adopt_message():
                        return
        except Exception:  # noqa: BLE001  the application has closed it, or the system has no memory
            self._log.exception("connections that wait in the exchange cannot be received")

    def _poll(self) -> None:
        if self._wanted and not self._polls:
            self._polls = True
            self._engine.add_source(self._exchange.receive_fd, self._receive)

    def _stop_polling(self) -> None:
        if self._polls:
            self._polls = False
            self._engine.remove_source(self._exchange.receive_fd)

    def _pause(self, seconds: float) -> None:
        self._stop_polling()
        self._peers.later(seconds, self._poll)

    def _receive(self, fd: int) -> None:
        """One message at a time, like one accept: arrivals must not hold up the clients that are here."""
        if self._yields():
            self._pause(_YIELD)
            return
        self._yielded = 0
        try:
            self._adopt_message()
        except NoRoom as error:
            if time.monotonic() - self._said >= _SAY_AGAIN:
                self._said = time.monotonic()
                self._log.warning("connections wait in the exchange: %s", error)
            self._pause(_FULL_PAUSE)

    def _yields(self) -> bool:
        """Whether what waits is left to processes that have fewer connections."""
        has_room = self._peers.has_room
        if has_room is None or self._yielded >= _YIELDS or has_room(self._connections()):
            return False
        self._yielded += 1
        return True

    def _adopt_message(self) -> bool:
        """Serve what one message carries; False if there was none. Raises NoRoom."""
        lost = self._exchange.lost
        try:
            passed = self._exchange.receive()
        except NoRoom:
            raise
        except ExchangeError as error:
            self._log.error("%s", error)
            return True
        if passed is None:
            return False
        if self._exchange.lost > lost:
            self._log.error("%d connections were lost for want of descriptors", self._exchange.lost - lost)
        self._engine.adopt(self._known(to_moved(passed)))
        return True

    def _known(self, arrived: list[Moved]) -> list[Moved]:
        """An older generation may send what came in through a listener that we do not have (it was told what its own
        successor takes): the application that all listeners share answers it."""
        for moved in arrived:
            if moved.key not in self._keys:
                moved.key = self._keys[0]
        return arrived
