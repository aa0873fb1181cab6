"""Connections on their way out: what the engine gives up, until the exchange has taken it."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable

from hotswap.engine import Moved
from hotswap.system.exchange import MAX_FDS, Exchange, Message, Passed, pack


class Outbox:
    """Sends what it is given over the exchange, without ever blocking.

    `receiving()` says whether anybody takes what is sent; it is asked again for every message, because the receiver
    may die between two of them. `when_writable(wanted)` turns the wait for room in the queue on and off. Any engine
    thread may give and flush.
    """

    def __init__(
        self, exchange: Exchange, receiving: Callable[[], bool], when_writable: Callable[[bool], None]
    ) -> None:
        self._exchange = exchange
        self._receiving = receiving
        self._when_writable = when_writable
        self._lock = threading.Lock()
        self._messages: deque[Message] = deque()
        self._waits = False
        self.sent = 0
        #: How many connections go into one message: whoever receives it has them all, so few are fair, many quick.
        self.batch = MAX_FDS

    def give(self, connections: Iterable[Moved]) -> None:
        """Take over these connections and send what can be sent now."""
        passed = [to_passed(moved) for moved in connections]
        batches = (passed[start : start + self.batch] for start in range(0, len(passed), self.batch))
        with self._lock:
            self._messages.extend(message for batch in batches for message in pack(batch))
        self.flush()

    def flush(self) -> None:
        """Send until the queue is full, nobody receives, or nothing is left."""
        with self._lock:
            while self._messages and self._receiving():
                if not self._exchange.send(self._messages[0]):
                    break
                self.sent += len(self._messages.popleft().passed)
            self._wait_for_room(bool(self._messages) and self._receiving())

    def _wait_for_room(self, wanted: bool) -> None:
        if wanted != self._waits:
            self._waits = wanted
            self._when_writable(wanted)

    def take_back(self) -> list[Moved]:
        """Everything that was not sent: whoever calls serves or drains it."""
        with self._lock:
            self._wait_for_room(False)
            messages, self._messages = self._messages, deque()
        return [moved for message in messages for moved in to_moved(message.passed)]

    @property
    def connections(self) -> int:
        """How many connections wait here."""
        return sum(len(message.passed) for message in tuple(self._messages))

    def __len__(self) -> int:
        return len(self._messages)


def to_passed(moved: Moved) -> Passed:
    """From the engine's words to the exchange's; the descriptor changes hands."""
    return Passed(fd=moved.sock.detach(), listener=moved.key, data=moved.data, peer="", proxy=moved.proxy)


def to_moved(connections: Iterable[Passed]) -> list[Moved]:
    """From the exchange's words to the engine's. A client that is gone by now is closed and left out."""
    arrived = []
    for item in connections:
        sock = socket.socket(fileno=item.fd)
        try:
            sock.setblocking(False)
            peer = sock.getpeername()
        except OSError:
            sock.close()
            continue
        arrived.append(Moved(sock, item.listener, peer, item.data, item.proxy))
    return arrived
