"""Two threads at the same connection in the same moment: each test stops one of them at its worst place."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable
from time import monotonic

import pytest

from hotswap.engine import Moved
from hotswap.engine.connections.answer_writer import PendingAnswer
from hotswap.engine.connections.connection import HEAD, WRITE, Connection
from hotswap.engine.connections.poller import READ, WRITABLE
from tests.engine.apps import Environ, Gate, Start, hello
from tests.engine.engine_server import DEADLINE, Serve, request
from tests.engine.still_engine import StillEngine
from tests.eventually import eventually

A_MOMENT = 0.3  # seconds for what must not happen meanwhile


@pytest.fixture
def still() -> Iterable[StillEngine]:
    """An engine without threads."""
    engine = StillEngine()
    yield engine
    engine.end()


def test_it_is_not_sent_away_while_the_leader_takes_it_out_of_epoll(serve: Serve) -> None:
    """Its client speaks when its call ends: sent away and closed first, it would be polled here for ever after."""
    first, gate, given, early = Gate(), Gate(), threading.Event(), threading.Event()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        return (first if environ["PATH_INFO"] == "/wait/first" else gate)(environ, start_response)

    server = serve(app, settings={"threads": 1})
    busy, client = server.connect(), server.connect()
    busy.send(request("/wait/first"))
    first.wait_entered()
    client.send(request("/wait"))
    eventually(lambda: server.engine.counters.queued == 1)
    first.open()
    assert busy.read().body == b"/wait/first"
    gate.wait_entered()  # in a thread that does not lead, and never did with this request
    (fd,) = [conn.fd for conn in server.connections if conn.parked]
    moved: list[Moved] = []

    def give(offers: list[Moved]) -> list[Moved]:
        moved.extend(offers)
        if any(one.sock.fileno() == fd for one in offers):
            given.set()
        return []

    def before(act: str, number: int) -> None:
        if act == "unregister" and number == fd and threading.get_ident() == server.engine.debug_view().leader:
            gate.open()
            if given.wait(A_MOMENT):
                early.set()

    server.engine.leave(give)
    server.epoll.before = before
    client.send(request("/next"))
    server.wait_idle()
    assert given.is_set()
    assert not early.is_set()
    for one in moved:
        one.sock.close()


def test_an_answer_half_written_is_not_stopped_by_the_thread_that_had_its_connection_before(still: StillEngine) -> None:
    """A thread gives it back, the leader serves its next request, leave() comes: only then that thread looks again."""
    conn = still.connection(Connection)
    conn.phase, conn.work = WRITE, PendingAnswer(True, memoryview(bytes(20_000_000)))
    still.table.release(conn, WRITABLE)
    still.state.begin_leaving(None)
    still.parts.idle.reclaim(conn)
    assert still.table.owned[conn.fd] is conn
    assert (conn.phase, conn.polled, conn.closing) == (WRITE, WRITABLE, False)
    assert len(conn.work.parts[0]) == 20_000_000


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


def test_one_in_which_the_leader_finds_nothing_leaves_too(serve: Serve) -> None:
    """leave() has not seen it, because the leader had it just then."""
    server = serve(hello)
    ours, theirs = socket.socketpair()
    late = Late(fileno=theirs.detach())
    late.entered, late.go_on = threading.Event(), threading.Event()
    server.engine.adopt([Moved(late, "main")])
    ours.send(b"-")
    assert late.entered.wait(DEADLINE)
    moved: list[Moved] = []

    def give(offers: list[Moved]) -> list[Moved]:
        moved.extend(offers)
        return []

    server.engine.leave(give)
    assert not moved
    late.go_on.set()
    server.wait_idle()
    assert [one.sock for one in moved] == [late]
    late.close()
    ours.close()


def test_one_that_lingers_only_after_resume_stays(serve: Serve) -> None:
    """Its thread has seen that we leave, and comes to say so when we have come back."""
    gate, asked, go_on = Gate(), threading.Event(), threading.Event()
    server = serve(gate, drain_linger=0.1)
    client = server.connect()
    client.send(request("/wait"))
    gate.wait_entered()
    assert server.get("/others").body == b"/others"

    def give(offers: list[Moved]) -> list[Moved]:
        if threading.current_thread() is not threading.main_thread():  # which is in leave(), with the others
            asked.set()
            assert go_on.wait(DEADLINE)
        return offers

    server.engine.leave(give)
    gate.open()
    assert asked.wait(DEADLINE)
    server.engine.resume()
    go_on.set()
    assert "connection" not in client.read().headers
    eventually(lambda: [conn for conn in server.connections if conn.owned and not conn.closing])
    assert "connection" not in client.get("/still").headers


class Released(Connection):
    """`between` happens when a thread that releases it has asked how it is polled, and has not made it to be found."""

    between: Callable[[], object] = staticmethod(lambda: None)

    @property
    def polled(self) -> int:
        self.between()
        return READ

    @polled.setter
    def polled(self, events: int) -> None:
        """It stays as it is."""


def test_a_deadline_is_not_forgotten_by_a_tick_that_could_not_see_it(still: StillEngine) -> None:
    """The tick comes between the question whether there is one early enough and the connection's being found."""
    state = still.state
    conn = still.connection(Released)
    now = monotonic()
    state.next_tick, conn.deadline = now + 1, now + 2
    conn.between = lambda: still.parts.deadlines.tick(now + 1)
    still.table.release(conn)
    conn.between = lambda: None
    assert state.next_tick <= conn.deadline


class Due(Connection):
    """One whose time is over; `between` happens when the clock has found that out."""

    between: Callable[[], object] | None = None

    @property
    def deadline(self) -> float:
        between, self.between = self.between, None
        if between is not None:
            between()
        return 0.0

    @deadline.setter
    def deadline(self, when: float) -> None:
        """It stays over."""


def test_a_tick_does_not_lose_another_connection_with_the_same_number(still: StillEngine) -> None:
    """The one whose time is over ended in another thread, and its number is a new client's already."""
    table = still.table
    old = still.connection(Due)
    new = still.connection(Connection)
    table.release(old)

    def between() -> None:
        table.close(table.owned.pop(old.fd))
        os.dup2(new.fd, old.fd)
        new.sock.close()
        new.sock, new.fd = socket.socket(fileno=old.fd), old.fd
        new.deadline = monotonic() + 60
        table.release(new)

    old.between = between
    still.parts.deadlines.tick(monotonic())
    assert dict(table.owned) == {new.fd: new}


class Speaking(Connection):
    """Its next request is read by another thread just when it has been looked at."""

    def movable(self, limit: int) -> bool:
        found = super().movable(limit)
        self.data = request("/next")
        return found


def test_one_that_has_begun_a_request_is_not_shed_and_not_forgotten(still: StillEngine) -> None:
    """Its next request is read already and nothing else will tell the leader so."""
    conn = still.connection(Speaking)
    still.table.release(conn)
    still.transfer.shed(1, lambda offers: [])
    assert still.table.owned[conn.fd] is conn
    assert list(still.table.ready) == [conn.fd]
    assert conn.phase < HEAD


def failing_starts(monkeypatch: pytest.MonkeyPatch, fail: Callable[[], object]) -> None:
    """`fail` is called, and may raise, where the system is asked for one more thread of an engine."""
    start = threading.Thread.start

    def starting(thread: threading.Thread) -> None:
        if thread.name.startswith("hotswap-"):
            fail()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", starting)


def test_the_monitor_survives(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong at its looking after the leader: it looks again."""
    gate = Gate()
    server = serve(gate)
    server.expected_exceptions = 1
    failures = [ValueError("never expected")]

    def fail() -> None:
        if failures:
            raise failures.pop()

    failing_starts(monkeypatch, fail)
    client = server.connect()
    client.send(request("/wait"))
    gate.wait_entered()
    assert server.get("/others").body == b"/others"
    assert not failures
    gate.open()
    assert client.read().body == b"/wait"


def test_no_thread_to_be_had_is_said_once(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The monitor goes on trying, many times a second; once there is one again the others are answered."""
    gate, tries, failing = Gate(), threading.Semaphore(0), threading.Event()
    failing.set()
    server = serve(gate)

    def fail() -> None:
        if failing.is_set():
            tries.release()
            raise RuntimeError("can't start new thread")

    failing_starts(monkeypatch, fail)
    client = server.connect()
    client.send(request("/wait"))
    gate.wait_entered()
    for _ in range(10):
        assert tries.acquire(timeout=DEADLINE)
    failing.clear()
    assert server.get("/others").body == b"/others"
    gate.open()
    assert client.read().body == b"/wait"
    assert len(server.log.said("error")) == 1
