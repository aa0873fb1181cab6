"""An engine whose idle connections move: they leave this process over the exchange, and others arrive.

Reading order: `retire` (leaving), `take_back` (coming back), `rebalance` (giving away while serving on); incoming.py
receives, outbox.py sends.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Sequence

from hotswap.engine import Engine, InFlight, Moved, Service
from hotswap.handover.incoming import Incoming
from hotswap.handover.leftover_listeners import LeftoverListeners
from hotswap.handover.outbox import SendQueue
from hotswap.handover.peers import Peers
from hotswap.handover.wire import MAX_FDS
from hotswap.scoreboard import Slot
from hotswap.system.fd_limit import nofile_limit

#: Into how many messages at least a process packs its connections, so that several receivers get their share.
_MESSAGES = 16
#: The same for those that are given away while serving on: in one message at most so many go to one process.
_REBALANCE_BATCH = 4
#: The part of the limit on descriptors that one message may need: a receiver that has few free takes all or nothing.
_PART = 64


class HandoverEngine:
    """Runs one engine, gives its connections to the exchange and takes those that wait there.

    Thread: every public method is called on the main thread; connections are given away by any of the engine's threads.
    """

    def __init__(self, engine: Engine, services: Sequence[Service], peers: Peers) -> None:
        self.engine = engine
        self._services = {service.key: service for service in services}
        self._exchange = peers.exchange
        self._receiving = peers.receiving
        self._takes: Collection[str] = ()
        self._leaving = self._drains = False
        self._unsent = SendQueue(peers.exchange, engine.log, peers.receiving, self._when_writable)
        self._incoming = Incoming(engine, peers, list(self._services), lambda: self.connections)
        self._leftovers = LeftoverListeners(engine)

    # serving

    def start(self) -> None:
        """Start the engine; nothing is accepted yet."""
        self.engine.start()

    def open(self) -> None:
        """Accept from the listeners, receive from the exchange."""
        self.engine.open()
        self._incoming.begin()

    def adopt(self, sock: socket.socket, key: str) -> None:
        """Serve one more connection, as if `key`'s listener had accepted it."""
        self.engine.adopt([Moved(sock, key, sock.getpeername(), b"", "")])

    def set_accepting(self, wanted: bool) -> None:
        """Leave accepting and receiving to other processes for a while, or begin again."""
        if not wanted:
            self.engine.pause()
            self._incoming.end()
        elif not self._leaving:
            self.open()

    def be_lame_duck(self) -> None:
        """Serve on, and say at the health path that no new clients are wanted."""
        self.engine.be_lame_duck()

    def rebalance(self, count: int) -> None:
        """Give up to `count` idle connections away, to processes that receive, and serve on."""
        self._unsent.batch = max(1, min(_REBALANCE_BATCH, count // 2))
        self.engine.shed(count, self._give_any)

    def _give_any(self, connections: list[Moved]) -> list[Moved]:
        self._unsent.give(connections)
        return []

    def retry_unsent(self) -> None:
        """While serving on: try again to give away what was not sent; serve it here if no process takes it any more."""
        self._unsent.flush()
        if len(self._unsent) and not self._receiving():
            self.engine.adopt(self._unsent.take_back())

    # leaving

    def retire(self, takes: Collection[str], *, moves: bool = True) -> None:
        """Send every connection that came in through a listener in `takes` to processes that receive; drain the rest.

        Without `moves` all drain: the process that serves has the listeners, but would read our connections otherwise.
        The caller has marked its slot before: no other process may think that this one still receives.
        """
        self._leaving = True
        self._takes = takes if moves else ()
        self._incoming.end()
        # Before the sweep: after it the exchange may hold what we sent ourselves.
        self._incoming.take_out()
        most = min(MAX_FDS, nofile_limit() // _PART)
        self._unsent.batch = max(1, min(most, self.engine.counters.connections // _MESSAGES))
        self.engine.leave(self._give)
        for key, service in self._services.items():
            if key not in takes:
                self._leftovers.keep_emptying(service)

    def _give(self, connections: list[Moved]) -> list[Moved]:
        """Called by the engine's threads with connections that are idle; returns those that must drain."""
        taken = [moved for moved in connections if moved.key in self._takes]
        self._unsent.give(taken)
        if not self._leaving:
            # take_back() came in between, and had emptied the send queue already.
            self.engine.adopt(self._unsent.take_back())
        return [moved for moved in connections if moved.key not in self._takes]

    def close_listeners(self, close: Callable[[], object]) -> None:
        """The listeners are closed for good, by `close`, and before that those emptied that no other process has.

        When the server stops that is all of them, again: a connection that came since it began would be reset. One that
        comes between the last look and the close(2) is, where clients are still let in (`system/no_new_clients.py`).
        """
        if self._drains:
            for service in self._services.values():
                self._leftovers.add(service)
        self._leftovers.close(close)

    def drain(self, *, queue: bool = True) -> None:
        """No process to hand over to: finish what runs, answer what is on the wire, close.

        The same is done with what waits in the exchange; without `queue` not: another process is known to come for it.
        """
        self._leaving = self._drains = True
        self._takes = ()
        self._incoming.end()
        if queue:
            self._incoming.take_out()
        self.engine.adopt(self._unsent.take_back())
        self.engine.leave(None)

    def take_back(self) -> None:
        """The successor is lost: serve again what it did not get, and what waits in the exchange."""
        self._leftovers.forget()
        self._leaving = self._drains = False
        self.engine.resume()
        self._incoming.begin()
        self.engine.adopt(self._unsent.take_back())

    def handed_over(self) -> bool:
        """Whether what was sent has been received: only then the listeners may be closed."""
        return not len(self._unsent) and not self._exchange.waiting()

    def flush(self) -> None:
        """Try again to send what could not be sent."""
        self._unsent.flush()

    @property
    def connections(self) -> int:
        """How many connections are here, with those on their way out; any thread may ask."""
        return self.engine.counters.connections + self._unsent.connections

    @property
    def waiting(self) -> int:
        """How many connections are on their way out, and not sent yet."""
        return self._unsent.connections

    def empty(self) -> bool:
        """Whether nothing is left here to finish or to carry.

        A process must not end while the exchange holds connections that no other one receives: their clients would be
        reset. So what lies there is taken back.
        """
        if not self.engine.idle or len(self._unsent):
            return False
        if self._exchange.waiting() and not self._receiving():
            self._incoming.take_out()
            return False
        return True

    def shut_down_apps(self) -> bool:
        """All is done, for good: have the applications shut down; whether they have. To be asked again until then."""
        return self.engine.shut_down_apps()

    def _when_writable(self, wanted: bool) -> None:
        if wanted:
            self.engine.add_source(self._exchange.send_fd, lambda fd: self._unsent.flush(), writable=True)
        else:
            self.engine.remove_source(self._exchange.send_fd)

    # the end

    def hammer(self) -> list[InFlight]:
        """End by force; returns the requests that were cut."""
        for moved in self._unsent.take_back():
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
            handed_over=self._unsent.sent,
            adopted=counters.adopted,
            accepted=counters.accepted,
            steals=counters.steals,
            given_away=counters.given_away,
            answers=counters.answers,
            errors=counters.server_errors,
        )
        slot.tally.set(
            requests=counters.requests,
            succeeded=counters.succeeded,
            redirected=counters.redirected,
            client_errors=counters.client_errors,
            server_errors=counters.server_errors,
            unavailable=counters.unavailable,
            unanswered=counters.unanswered,
            health=counters.health,
            abandoned=counters.abandoned,
            refused=counters.refused,
            cut=counters.cut,
            accepted=counters.accepted,
            adopted=counters.adopted,
            handed_over=self._unsent.sent,
        )
