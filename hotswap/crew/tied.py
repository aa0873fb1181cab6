"""An engine tied to the exchange: the road by which its connections leave this process and others arrive."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from hotswap.crew.outbox import Outbox, to_moved
from hotswap.engine import Engine, InFlight, Moved, Service
from hotswap.engine.limits import Limits
from hotswap.engine.model import Log
from hotswap.system.exchange import MAX_FDS, Exchange, ExchangeError, NoRoom
from hotswap.system.nofile import nofile_limit
from hotswap.system.scoreboard import Scoreboard, Slot

#: How long the exchange is left alone when there is no room (seconds).
_FULL_PAUSE = 0.2
#: How often that is said (seconds): it lasts until somebody closes connections.
_SAY_AGAIN = 60.0
#: How long it is left to others who have fewer connections, and how often in a row (seconds, times): should they
#: be stuck, what waits there must not wait for them.
_YIELD, _YIELDS = 0.002, 10
#: Into how many messages at least a process packs its connections, so that several receivers get their share.
_MESSAGES = 16
#: The same for those that are given away while serving on: in one message at most so many go to one process.
_LEVEL_BATCH = 4
#: The part of the limit on descriptors that one message may need: a receiver that has few free takes all or nothing.
_PART = 64


class TiedEngine:
    """Runs one engine and ties it to the exchange.

    `later(seconds, call)` runs a call on the main thread; `changed()` is called from engine threads when there may be
    nothing left to do. `fair(connections)` says whether this process, which has so many, should receive more; it is
    asked on the leading thread, whenever something waits in the exchange. `receiving()` says whether what is sent will
    be received, by default whether anybody does now; any engine thread may ask.
    """

    def __init__(
        self,
        services: Sequence[Service],
        cfg: Any,
        log: Log,
        exchange: Exchange,
        board: Scoreboard,
        later: Callable[[float, Callable[[], object]], object],
        changed: Callable[[], None],
        *,
        fair: Callable[[int], bool] | None = None,
        multiprocess: bool = False,
        limits: Limits | None = None,
        worker: object = None,
        receiving: Callable[[], bool] | None = None,
    ) -> None:
        self._log = log
        self._exchange = exchange
        self._receiving = receiving or board.receiving
        self._later = later
        self._fair = fair
        self._yielded = 0
        self._said = -_SAY_AGAIN
        self._takes: Collection[str] = ()
        self._receives = False
        self._leaving = self._aloof = False
        self._leftovers: dict[int, Service] = {}
        self.engine = Engine(
            services, cfg, log, changed=changed, multiprocess=multiprocess, limits=limits, worker=worker
        )
        self._services = {service.key: service for service in services}
        self._outbox = Outbox(exchange, self._receiving, self._when_writable)

    # arriving

    def start(self) -> None:
        """Start the engine; nothing is accepted yet."""
        self.engine.start()

    def open(self) -> None:
        """Accept from the listeners, receive from the exchange."""
        self.engine.open()
        self._receive_from_now_on()

    def adopt(self, sock: socket.socket, key: str) -> None:
        """Serve one more connection, as if `key`'s listener had accepted it."""
        self.engine.adopt([Moved(sock, key, sock.getpeername(), b"", "")])

    def _receive_from_now_on(self) -> None:
        if not (self._receives or self._leaving or self._aloof):
            self._receives = True
            self.engine.add_source(self._exchange.receive_fd, self._receive)

    def _receive(self, fd: int) -> None:
        """One message a turn, like one accept: arrivals must not hold up those who are here."""
        if self._fair is not None and self._yielded < _YIELDS and not self._fair(self.connections):
            self._yielded += 1
            self._pause_receiving(_YIELD)
            return
        self._yielded = 0
        try:
            self._adopt_message()
        except NoRoom as error:
            if time.monotonic() - self._said >= _SAY_AGAIN:
                self._said = time.monotonic()
                self._log.warning("connections wait in the exchange: %s", error)
            self._pause_receiving(_FULL_PAUSE)

    def _pause_receiving(self, seconds: float) -> None:
        self._stop_receiving()
        self._later(seconds, self._receive_from_now_on)

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
        self.engine.adopt(self._known(to_moved(passed)))
        return True

    def _known(self, arrived: list[Moved]) -> list[Moved]:
        """An older generation may send what came in through a listener that we do not have (it was told what its own
        successor takes): the application that all listeners share answers it."""
        default = next(iter(self._services))
        for moved in arrived:
            if moved.key not in self._services:
                moved.key = default
        return arrived

    def _stop_receiving(self) -> None:
        if self._receives:
            self._receives = False
            self.engine.remove_source(self._exchange.receive_fd)

    def level(self, count: int) -> None:
        """Give up to `count` idle connections away, to whoever receives, and serve on."""
        self._outbox.batch = max(1, min(_LEVEL_BATCH, count // 2))
        self.engine.shed(count, self._give_any)

    def keep(self) -> None:
        """While serving on: what was to be given away is tried again, or served here if nobody takes it any more."""
        self._outbox.flush()
        if len(self._outbox) and not self._receiving():
            self.engine.adopt(self._outbox.take_back())

    def _give_any(self, connections: list[Moved]) -> list[Moved]:
        self._outbox.give(connections)
        return []

    def welcome(self, wanted: bool) -> None:
        """Leave accepting and receiving to others for a while, or begin again."""
        self._aloof = not wanted
        if not wanted:
            self.engine.pause()
            self._stop_receiving()
        elif not self._leaving:
            self.open()

    # leaving

    def retire(self, takes: Collection[str], *, moves: bool = True) -> None:
        """Send every connection that came in through a listener in `takes` to whoever serves; the rest drains.

        All of them do without `moves`: whoever serves has the listeners, and would read our connections otherwise.
        The caller has marked its slot before: nobody must think that this process still receives.
        """
        self._leaving = True
        self._takes = takes if moves else ()
        self._stop_receiving()
        # Before the sweep: after it the queue may hold what we sent ourselves.
        self._take_out_queue()
        most = min(MAX_FDS, nofile_limit() // _PART)
        self._outbox.batch = max(1, min(most, self.engine.counters.connections // _MESSAGES))
        self.engine.leave(self._give)
        for key, service in self._services.items():
            if key not in takes:
                self._keep_emptying(service)

    def _give(self, connections: list[Moved]) -> list[Moved]:
        taken = [moved for moved in connections if moved.key in self._takes]
        self._outbox.give(taken)
        if not self._leaving:
            # take_back() came in between, and had emptied the outbox already.
            self.engine.adopt(self._outbox.take_back())
        return [moved for moved in connections if moved.key not in self._takes]

    def _keep_emptying(self, service: Service) -> None:
        """A listener that the successor does not have: whoever connects until it is closed is answered here."""
        if service.sock is None or service.sock.fileno() < 0 or service.sock.fileno() in self._leftovers:
            return
        self._leftovers[service.sock.fileno()] = service
        self.engine.add_source(service.sock.fileno(), self._on_leftover)

    def _on_leftover(self, fd: int) -> None:
        self._accept_leftover(fd)

    def _accept_leftover(self, fd: int) -> bool:
        """Accept one connection from a listener that only we have; False if none waits."""
        service = self._leftovers[fd]
        if service.sock is None:
            return False
        try:
            sock, peer = service.sock.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                raise
            return False
        sock.setblocking(False)
        self.engine.adopt([Moved(sock, service.key, peer, fresh=True)])
        return True

    def release_listeners(self) -> None:
        """The listeners are about to be closed for good: empty those that nobody else has."""
        for fd in list(self._leftovers):
            self.engine.remove_source(fd)
            while self._accept_leftover(fd):
                pass
            del self._leftovers[fd]

    def drain(self, *, queue: bool = True) -> None:
        """Nobody to hand over to: finish what runs, answer what is on the wire, close.

        So is done with what waits in the `queue` of the exchange, unless somebody is known to come for it.
        """
        self._leaving = True
        self._takes = ()
        self._stop_receiving()
        if queue:
            self._take_out_queue()
        self.engine.adopt(self._outbox.take_back())
        self.engine.leave(None)

    def take_back(self) -> None:
        """The successor is lost: serve again what it did not get, and what waits in the exchange."""
        for fd in list(self._leftovers):
            self.engine.remove_source(fd)
            del self._leftovers[fd]
        self._leaving = self._aloof = False
        self.engine.resume()
        self._receive_from_now_on()
        self.engine.adopt(self._outbox.take_back())

    def handed_over(self) -> bool:
        """Whether what was sent has been received: only then the listeners may go."""
        return not len(self._outbox) and not self._exchange.waiting()

    def flush(self) -> None:
        """Try again what could not be sent."""
        self._outbox.flush()

    @property
    def connections(self) -> int:
        """How many connections are here, with those on their way out."""
        return self.engine.counters.connections + self._outbox.connections

    @property
    def waiting(self) -> int:
        """How many connections are on their way out, and not sent yet."""
        return self._outbox.connections

    def empty(self) -> bool:
        """Whether nothing is left here to finish or to carry.

        Nobody leaves over a queue that nobody reads: its clients would be reset. So what lies there unread comes back.
        """
        if not self.engine.idle or len(self._outbox):
            return False
        if self._exchange.waiting() and not self._receiving():
            self._take_out_queue()
            return False
        return True

    def _take_out_queue(self) -> None:
        """Receive what waits in the exchange; while leaving, the engine gives it on or drains it.

        Bounded: another process that sends at the same time must not keep us here.
        """
        with contextlib.suppress(NoRoom):
            for _ in range(64):
                if not self._adopt_message():
                    return

    def _when_writable(self, wanted: bool) -> None:
        if wanted:
            self.engine.add_source(self._exchange.send_fd, lambda fd: self._outbox.flush(), writable=True)
        else:
            self.engine.remove_source(self._exchange.send_fd)

    # the end

    def hammer(self) -> list[InFlight]:
        """End by force; returns the requests that were cut."""
        for moved in self._outbox.take_back():
            moved.sock.close()
        return self.engine.hammer()

    def stop(self) -> None:
        """Let the engine's threads end; never waits for application code."""
        self.engine.stop()

    def report(self, slot: Slot) -> None:
        """Write the engine's counters into our slot of the scoreboard."""
        counters = self.engine.counters
        slot.update(
            connections=counters.connections,
            requests=counters.requests,
            in_flight=counters.in_flight,
            handed_over=self._outbox.sent,
            adopted=counters.adopted,
            accepted=counters.accepted,
            steals=counters.steals,
            given_away=counters.given_away,
        )
