"""Connections on their way out: each is sent once, and one that cannot be sent holds up none of the others."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswap.engine import Moved
from hotswap.handover.exchange import Exchange
from hotswap.handover.outbox import SendQueue, to_moved
from hotswap.handover.wire import MAX_DATA, Passed
from tests.engine.engine_server import Log
from tests.system.exchange_connections import open_fds


class Sending:
    """An outbox on an exchange of its own."""

    def __init__(self) -> None:
        self.exchange = Exchange.create()
        self.log = Log()
        self.is_received = True
        self.failures: list[OSError] = []
        self.waits_for_room = False
        self.outbox = SendQueue(self.exchange, self.log, self._receiving, self._when_writable)
        self.clients: list[socket.socket] = []

    def _receiving(self) -> bool:
        if self.failures:
            raise self.failures.pop()
        return self.is_received

    def _when_writable(self, wanted: bool) -> None:
        self.waits_for_room = wanted

    def connection(self, data: bytes = b"") -> Moved:
        """The server's end of a new client's connection."""
        ours, theirs = socket.socketpair()
        self.clients.append(ours)
        return Moved(theirs, "main", data=data)

    def arrived(self) -> list[bytes]:
        """What was read of the connections that have come through."""
        found = []
        while passed := self.exchange.receive():
            for moved in to_moved(passed):
                found.append(moved.data)
                moved.sock.close()
        return found

    def close(self) -> None:
        for moved in self.outbox.take_back():
            moved.sock.close()
        self.exchange.close()
        for client in self.clients:
            client.close()


@pytest.fixture
def sending() -> Iterator[Sending]:
    made = Sending()
    yield made
    made.close()


def closed(moved: Moved) -> Moved:
    """As an application closes it that has kept its socket."""
    moved.sock.close()
    return moved


def closed_by_number(moved: Moved) -> Moved:
    """As one closes it that has a number only, or closes twice what it has opened once."""
    os.close(moved.sock.fileno())
    return moved


def test_one_that_cannot_be_sent_holds_up_no_other(sending: Sending) -> None:
    """In its message and behind it: the others arrive, in their order; the log says how many did not."""
    first = [sending.connection(b"1"), closed(sending.connection()), sending.connection(b"2")]
    # Last, so that nothing has got its number until it is sent.
    sending.outbox.give([*first, closed_by_number(sending.connection())])
    sending.outbox.give([sending.connection(b"3")])
    assert sending.arrived() == [b"1", b"2", b"3"]
    assert sending.outbox.sent == 3
    assert not len(sending.outbox)
    assert not sending.waits_for_room
    assert sending.log.said("error") == ["2 connections cannot be handed over (Bad file descriptor): closed"]


def test_one_that_is_closed_while_it_waits(sending: Sending) -> None:
    """No process received at first; then all but one are sent."""
    sending.is_received = False
    sending.outbox.give([sending.connection(b"1"), sending.connection(b"2"), sending.connection(b"3")])
    assert sending.arrived() == []
    os.close(sending.outbox._messages[0].passed[1].fd)
    sending.is_received = True
    sending.outbox.flush()
    assert sending.arrived() == [b"1", b"3"]


def test_what_cannot_be_asked_is_asked_again(sending: Sending) -> None:
    """A flush never raises: what was given is the outbox's, and waits in it."""
    sending.failures = [OSError(errno.ENOLCK, "No locks available") for _ in range(2)]
    sending.outbox.give([sending.connection(b"1")])
    assert len(sending.outbox) == 1
    sending.outbox.flush()
    assert sending.arrived() == [b"1"]


def test_what_is_taken_back_has_no_bad_ones(sending: Sending) -> None:
    """The engine gets those that it can serve."""
    sending.is_received = False
    sending.outbox.give([sending.connection(b"1"), sending.connection(b"2"), sending.connection(b"3")])
    os.close(sending.outbox._messages[0].passed[1].fd)
    back = sending.outbox.take_back()
    assert [moved.data for moved in back] == [b"1", b"3"]
    for moved in back:
        moved.sock.close()


def test_what_is_no_connection_is_closed_on_arrival(tmp_path: Path) -> None:
    """A number that an application has closed may be a file by the time it is sent: none of its neighbours is lost."""
    before = open_fds()
    ours, theirs = socket.socketpair()
    file = os.open(tmp_path / "file", os.O_CREAT)
    lonely = socket.socket()
    passed = [Passed(fd, "main") for fd in (file, lonely.detach(), -1, theirs.detach())]
    (moved,) = to_moved(passed)
    assert moved.sock.getsockname() == ours.getpeername()
    moved.sock.close()
    ours.close()
    assert open_fds() == before


def test_what_is_too_much_for_a_message_is_not_taken(sending: Sending) -> None:
    """All or none: the engine that gave them has all of its connections still."""
    given = [sending.connection(b"1"), sending.connection(b"x" * (MAX_DATA + 1))]
    with pytest.raises(ValueError, match="cannot travel"):
        sending.outbox.give(given)
    assert all(moved.sock.fileno() >= 0 for moved in given)
    assert sending.arrived() == []
    for moved in given:
        moved.sock.close()
