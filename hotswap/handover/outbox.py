"""Connections on their way out: what the engine gives up, until the exchange has taken it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable

from hotswap.engine import Logger, Moved
from hotswap.handover.exchange import Exchange
from hotswap.handover.wire import MAX_FDS, Message, Passed, pack


class SendQueue:
    """Sends what it is given over the exchange, without ever blocking.

    `receiving()` says whether another process takes what is sent; it is asked again for every message, because the
    receiver may die between two of them. `when_writable(wanted)` turns the wait for room in the exchange on and off.
    Any of the engine's threads may give and flush.
    """

    def __init__(
        self, exchange: Exchange, log: Logger, receiving: Callable[[], bool], when_writable: Callable[[bool], None]
    ) -> None:
        self._exchange = exchange
        self._log = log
        self._receiving = receiving
        self._when_writable = when_writable
        self._lock = threading.Lock()
        self._messages: deque[Message] = deque()
        self._waits = False
        self.sent = 0
        #: Connections in a message. One receiver gets the whole message: few spread the load, many move faster.
        self.batch = MAX_FDS

    def give(self, connections: Iterable[Moved]) -> None:
        """Take over these connections and send what can be sent now. Raises ValueError, with none of them taken, if one
        has too much unserved to travel."""
        given = list(connections)
        passed = [to_passed(moved) for moved in given]
        batches = (passed[start : start + self.batch] for start in range(0, len(passed), self.batch))
        messages = [message for batch in batches for message in pack(batch)]
        for moved, item in zip(given, passed, strict=True):
            # Last, because there is no way back; and in one step: a socket that its application closes meanwhile must
            # not leave a number here that is another's by the time it is sent.
            item.fd = moved.sock.detach()
        with self._lock:
            self._messages.extend(messages)
        self.flush()

    def flush(self) -> None:
        """Send until the exchange is full, no other process receives, or nothing is left. Never raises.

        A connection that cannot be sent, because its application has closed it, is given up: the others must not wait.
        """
        given_up, why = 0, ""
        with self._lock:
            while self._messages and self._is_received():
                try:
                    if not self._exchange.send(self._messages[0]):
                        break
                except OSError as error:
                    given_up += self._single_out(error)
                    why = str(error.strerror)
                else:
                    self.sent += len(self._messages.popleft().passed)
            self._wait_for_room(bool(self._messages) and self._is_received())
        if given_up:
            self._log.error("%d connections cannot be handed over (%s): closed", given_up, why)

    def _is_received(self) -> bool:
        try:
            return self._receiving()
        except OSError:  # the kernel has no memory to say which process holds a lock: the next flush may hear it
            return False

    def _single_out(self, error: OSError) -> int:
        """The first message cannot be sent: let its connections be tried one by one, or give up the only one. Returns
        how many were given up."""
        passed = self._messages.popleft().passed
        if len(passed) > 1:
            self._messages.extendleft(message for item in reversed(passed) for message in pack([item]))
            return 0
        if error.errno != errno.EBADF:  # then it is closed, and the number may be another's by now
            _close(passed[0].fd)
        return 1

    def _wait_for_room(self, wanted: bool) -> None:
        if wanted != self._waits:
            self._waits = wanted
            self._when_writable(wanted)

    def take_back(self) -> list[Moved]:
        """Everything that was not sent; the caller serves or drains it."""
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
    """From the engine's words to the exchange's; without the descriptor, which does not change hands yet."""
    return Passed(fd=-1, listener=moved.key, data=moved.data, proxy=moved.proxy)


def to_moved(connections: Iterable[Passed]) -> list[Moved]:
    """From the exchange's words to the engine's. A client that is gone by now is closed and left out, and so is what is
    no connection."""
    arrived = []
    for item in connections:
        try:
            sock = socket.socket(fileno=item.fd)
        except (OSError, ValueError):  # ValueError: it was closed before it was given away, and has no number
            _close(item.fd)
            continue
        try:
            sock.setblocking(False)
            peer = sock.getpeername()
        except OSError:
            sock.close()
            continue
        arrived.append(Moved(sock, item.listener, peer, item.data, item.proxy))
    return arrived


def _close(fd: int) -> None:
    with contextlib.suppress(OSError):
        os.close(fd)
