"""Two threads at the same connection in the same moment: each test stops one of them at its worst place."""

from __future__ import annotations

import math
import os
import select
import socket
import threading
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

import pytest

from hotswap.engine import Moved
from hotswap.engine.connection import HEAD, WRITE, Connection
from hotswap.engine.pace import Route
from hotswap.engine.shedding import shed
from tests.engine.apps import Environ, Gate, Start, hello
from tests.engine.rig import DEADLINE, Client, Rig, request
from tests.eventually import eventually

MakeRig = Callable[..., Rig]
A_MOMENT = 0.3  # seconds for what must not happen meanwhile


class Stopped:
    """An epoll that calls `before` with the method's name and the descriptor."""

    def __init__(self, epoll: select.epoll, before: Callable[[str, int], object]) -> None:
        self._epoll = epoll
        self._before = before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._epoll, name)

    def register(self, fd: int, events: int) -> None:
        self._before("register", fd)
        self._epoll.register(fd, events)

    def unregister(self, fd: int) -> None:
        self._before("unregister", fd)
        self._epoll.unregister(fd)


def stop_at(make: Rig, before: Callable[[str, int], object]) -> None:
    core: Any = make.engine._core
    core.epoll = Stopped(core.epoll, before)


def connection(make: Rig) -> tuple[Connection, Client]:
    """One of the engine's that belongs to nobody yet."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    conn = Connection(theirs, make.engine._core.services["main"], "")
    make.engine._core.live.add(conn)
    return conn, Client(ours)


@pytest.fixture
def still() -> Iterable[Rig]:
    """An engine without threads."""
    make = Rig(hello)
    yield make
    make.end()


def test_it_is_not_sent_away_while_the_leader_takes_it_out_of_epoll(rig: MakeRig) -> None:
    """Its client speaks when its call ends: sent away and closed first, it would be polled here for ever after."""
    gate, given, early = Gate(), threading.Event(), threading.Event()
    make = rig(gate)
    route = make.engine._turns.pace.routes["/wait"] = Route()
    route.average, route.trial = 1.0, math.inf  # the lead is given away before the call
    client = make.connect()
    client.send(request("/wait"))
    gate.wait_entered()
    assert make.get("/others").body == b"/others"
    ((fd, _),) = make.engine._core.lent.items()
    moved: list[Moved] = []

    def give(offers: list[Moved]) -> list[Moved]:
        moved.extend(offers)
        if any(one.sock.fileno() == fd for one in offers):
            given.set()
        return []

    def before(act: str, number: int) -> None:
        if act == "unregister" and number == fd and threading.get_ident() == make.engine._core.leader:
            gate.open()
            if given.wait(A_MOMENT):
                early.set()

    make.engine.leave(give)
    stop_at(make, before)
    client.send(request("/next"))
    make.wait_idle()
    assert given.is_set()
    assert not early.is_set()
    for one in moved:
        one.sock.close()


def test_an_answer_half_written_is_not_stopped_by_who_had_its_connection_before(rig: MakeRig) -> None:
    """A thread gives it back, the leader serves its next request, leave() comes: only then that thread looks again."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [bytes(20_000_000)]

    make = rig(app)
    client = make.connect()
    client.send(request())
    client.head()
    (conn,) = eventually(lambda: [conn for conn in make.engine._core.owned.values() if conn.phase == WRITE])
    make.engine.leave(None)
    make.engine._core.reclaim(conn)
    client._exactly(20_000_000)
    assert client.closed()
    client.close()
    make.wait_idle()


class Late(socket.socket):
    """The first read finds nothing, and takes until `go_on`."""

    entered: threading.Event
    go_on: threading.Event

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        data = super().recv(size, flags)
        if self.entered.is_set():
            return data
        self.entered.set()
        assert self.go_on.wait(DEADLINE)
        raise BlockingIOError


def test_one_in_which_the_leader_finds_nothing_leaves_too(rig: MakeRig) -> None:
    """leave() has not seen it, because the leader had it just then."""
    make = rig(hello)
    ours, theirs = socket.socketpair()
    late = Late(fileno=theirs.detach())
    late.entered, late.go_on = threading.Event(), threading.Event()
    make.engine.adopt([Moved(late, "main")])
    ours.send(b"-")
    assert late.entered.wait(DEADLINE)
    moved: list[Moved] = []

    def give(offers: list[Moved]) -> list[Moved]:
        moved.extend(offers)
        return []

    make.engine.leave(give)
    assert not moved
    late.go_on.set()
    make.wait_idle()
    assert [one.sock for one in moved] == [late]
    late.close()
    ours.close()


def test_one_that_lingers_only_after_resume_stays(rig: MakeRig) -> None:
    """Its thread has seen that we leave, and comes to say so when we have come back."""
    gate, asked, go_on = Gate(), threading.Event(), threading.Event()
    make = rig(gate, drain_linger=0.1)
    client = make.connect()
    client.send(request("/wait"))
    gate.wait_entered()
    assert make.get("/others").body == b"/others"
    depart = make.engine._core.depart

    def departing(conn: Connection) -> None:
        asked.set()
        assert go_on.wait(DEADLINE)
        depart(conn)

    make.engine.leave(lambda offers: offers)
    make.engine._core.depart = departing
    gate.open()
    assert asked.wait(DEADLINE)
    make.engine.resume()
    go_on.set()
    assert "connection" not in client.read().headers
    eventually(lambda: [conn for conn in make.engine._core.owned.values() if not conn.closing])
    assert "connection" not in client.get("/still").headers


def test_a_deadline_is_not_forgotten_by_a_tick_that_could_not_see_it(still: Rig) -> None:
    """The tick comes between the question whether there is one early enough and the connection's being found."""
    core, deadlines = still.engine._core, still.engine._turns._deadlines
    conn, client = connection(still)
    now = monotonic()
    core.next_tick, conn.deadline = now + 1, now + 2
    tick = threading.Thread(target=deadlines.tick, args=(now + 1,))

    def before(act: str, _: int) -> None:
        if act == "register":
            tick.start()
            tick.join(A_MOMENT)

    stop_at(still, before)
    core.put_back(conn)
    tick.join(DEADLINE)
    assert core.next_tick <= conn.deadline
    client.close()


class Numbers(dict[int, Connection]):
    """What the loop owns, where `between` happens after somebody has looked through it."""

    between: Callable[[], object]

    def values(self) -> Any:
        found = list(super().values())
        self.between()
        return found


def test_a_tick_does_not_lose_another_connection_with_the_same_number(still: Rig) -> None:
    """The one whose time is over ended in another thread, and its number is a new client's already."""
    core = still.engine._core
    old, first = connection(still)
    new, second = connection(still)
    core.owned = numbers = Numbers()
    core.put_back(old)

    def between() -> None:
        core.drop(numbers.pop(old.fd))
        os.dup2(new.fd, old.fd)
        new.sock.close()
        new.sock, new.fd = socket.socket(fileno=old.fd), old.fd
        new.deadline = monotonic() + 60
        core.put_back(new)

    numbers.between = between
    still.engine._turns._deadlines.tick(monotonic())
    assert dict(numbers) == {new.fd: new}
    numbers.between = lambda: None
    first.close()
    second.close()


def test_one_that_has_begun_a_request_is_not_shed_and_not_forgotten(still: Rig) -> None:
    """Its next request is read already and nothing else will tell the leader so."""
    core = still.engine._core
    conn, client = connection(still)
    core.put_back(conn)

    class Served(dict[int, Connection]):
        def pop(self, fd: int, *default: Any) -> Any:
            conn.data = request("/next")
            return super().pop(fd, *default)

    core.owned = Served(core.owned)
    shed(core, 1, lambda offers: [])
    assert core.owned[conn.fd] is conn
    assert list(core.ready) == [conn.fd]
    assert conn.phase < HEAD
    client.close()


def test_the_monitor_survives(rig: MakeRig) -> None:
    """Whatever goes wrong at its looking after the leader: it looks again."""
    gate = Gate()
    make = rig(gate)
    make.expected_exceptions = 1
    free_seat, failures = make.engine._threads._free_seat, [ValueError("never expected")]

    def fail() -> object:
        if failures:
            raise failures.pop()
        return free_seat()

    make.engine._threads._free_seat = fail  # type: ignore[assignment, method-assign]
    client = make.connect()
    client.send(request("/wait"))
    gate.wait_entered()
    assert make.get("/others").body == b"/others"
    gate.open()
    assert client.read().body == b"/wait"


def test_no_thread_to_be_had_is_said_once(rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The monitor goes on trying, many times a second; once there is one again the others are answered."""
    gate, tries = Gate(), threading.Semaphore(0)
    make = rig(gate)
    new_seat = make.engine._threads._new_seat

    def fail() -> object:
        tries.release()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(make.engine._threads, "_new_seat", fail)
    client = make.connect()
    client.send(request("/wait"))
    gate.wait_entered()
    for _ in range(10):
        assert tries.acquire(timeout=DEADLINE)
    monkeypatch.setattr(make.engine._threads, "_new_seat", new_seat)
    assert make.get("/others").body == b"/others"
    gate.open()
    assert client.read().body == b"/wait"
    assert len(make.log.said("error")) == 1
