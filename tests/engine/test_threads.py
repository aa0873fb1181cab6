"""One thread leads: when it loses the lead, who gets it, and that it never goes missing."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Iterable
from time import clock_gettime, monotonic, pthread_getcpuclockid, thread_time

import pytest

from hotswap.engine.pace import Pace
from tests.engine.apps import Environ, Gate, Start, hello
from tests.engine.rig import Rig, request
from tests.eventually import eventually

MakeRig = Callable[..., Rig]


def blocking(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """`/block/SECONDS` waits that long without the CPU, as a database call does."""
    path = environ["PATH_INFO"]
    if path.startswith("/block/"):
        select.select([], [], [], float(path[7:]))
    return hello(environ, start_response)


def test_a_stuck_call_does_not_stop_the_others(rig: MakeRig) -> None:
    """While one request waits in the application, another connection is answered."""
    gate = Gate()
    make = rig(gate)
    stuck = make.connect()
    stuck.send(request("/wait"))
    gate.wait_entered()
    assert make.get("/quick").body == b"/quick"
    gate.open()
    assert stuck.read().body == b"/wait"
    assert make.engine.counters.steals == 1


def test_the_connection_of_a_stuck_call_goes_on(rig: MakeRig) -> None:
    """`/block/0.1`, then `/` on the same connection, with nobody else there to wake anything."""
    client = rig(blocking).connect()
    for _ in range(3):
        begin = monotonic()
        assert client.get("/block/0.1").body == b"/block/0.1"
        assert client.get("/").body == b"/"
        assert monotonic() - begin < 5


def test_requests_behind_a_stuck_one_are_answered(rig: MakeRig) -> None:
    """Pipelined behind a call that lost the lead, they are served although epoll will not report them."""
    client = rig(blocking).connect()
    client.send(request("/block/0.1") + request("/a") + request("/block/0.05") + request("/b"))
    assert [client.read().body for _ in range(4)] == [b"/block/0.1", b"/a", b"/block/0.05", b"/b"]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_last_free_thread_never_runs_the_application(rig: MakeRig, threads: int) -> None:
    """With all threads in the application, connections are still accepted and requests read; they are
    answered when one is free, and the log says that threads are short. At most `threads` calls run at once.
    """
    gate = Gate()
    make = rig(gate, settings={"threads": threads})
    stuck = [make.connect() for _ in range(threads)]
    for client in stuck:
        client.send(request("/wait"))
    gate.wait_entered(threads)
    queued = [make.connect() for _ in range(3)]
    for client in queued:
        client.send(request("/queued"))
    eventually(lambda: make.engine.counters.queued == 3)
    assert not gate.entered.acquire(blocking=False)
    gate.open()
    for client in stuck + queued:
        assert client.read().status == 200
    assert any("requests wait" in text for text in make.log.said("warning"))


def test_threads_are_started_when_needed(rig: MakeRig) -> None:
    """Quick requests need one thread; a stuck one starts the second."""
    gate = Gate()
    make = rig(gate)
    for _ in range(50):
        make.get()
    assert make.engine._threads.count == 1
    client = make.connect()
    client.send(request("/wait"))
    gate.wait_entered()
    eventually(lambda: make.engine._threads.count == 2)
    gate.open()
    assert client.read().status == 200


def test_a_route_that_blocks_gives_the_lead_away_first(rig: MakeRig) -> None:
    """After some calls the path is known; then the lead is not stolen but given."""
    make = rig(blocking)
    client = make.connect()
    for _ in range(40):
        client.get("/block/0.002")
    assert make.engine.counters.given_away > 5
    assert client.get("/").status == 200


def test_a_route_that_stops_blocking_keeps_the_lead_again(rig: MakeRig) -> None:
    """A trial now and then finds out."""
    slow = threading.Event()
    slow.set()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if slow.is_set():
            select.select([], [], [], 0.002)
        return hello(environ, start_response)

    make = rig(app)
    client = make.connect()
    for _ in range(40):
        client.get("/path")
    route = make.engine._turns.pace.routes["/path"]
    assert route.average > 0.5
    slow.clear()

    def quick_again() -> bool:
        client.get("/path")
        return route.average < 0.5

    eventually(quick_again)


def test_a_route_that_computes_is_measured_now_and_then_only(rig: MakeRig) -> None:
    """Its calls are slow, so it is looked at; that it never blocks is soon known, and looking costs time."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        until = thread_time() + 0.0003
        while thread_time() < until:
            pass
        return hello(environ, start_response)

    make = rig(app)
    client = make.connect()
    routes = make.engine._turns.pace.routes

    def rests() -> bool:
        client.get("/path")
        return "/path" in routes and routes["/path"].rest > 0

    eventually(rests)
    assert routes["/path"].rest > make.engine.counters.requests + 100
    assert make.engine.counters.given_away == 0


def cpu_of_leader(make: Rig, silent: socket.socket) -> float:
    """CPU seconds that the leading thread uses in a fifth of a second, in which `silent` gets nothing."""
    clock = pthread_getcpuclockid(make.engine._core.leader)
    before = clock_gettime(clock)
    assert select.select([silent], [], [], 0.2)[0] == []
    return clock_gettime(clock) - before


def test_paths_that_clients_invent_are_forgotten() -> None:
    """However many block, the table stays small, and the next one is learnt."""
    pace = Pace()
    for number in range(5000):
        pace.note(f"/item/{number}", True, number)
    assert len(pace.routes) <= 1024
    assert "/item/4999" in pace.routes


def test_the_leader_waits_for_a_thread_that_puts_a_connection_back(rig: MakeRig) -> None:
    """The thread has registered it and not said so yet: an event meanwhile must not keep the leader polling.

    Both may share a CPU, and then the one spins for whole time slices while the other cannot go on.
    """
    make = rig(hello)
    client = make.connect()
    assert client.get("/").status == 200
    core = make.engine._core
    with core.lock:
        ((fd, conn),) = eventually(lambda: list(core.owned.items()))
        del core.owned[fd]
        client.send(request("/next"))
        used = cpu_of_leader(make, client.sock)
        core.owned[fd] = conn
    assert client.read().body == b"/next"
    assert used < 0.05


@pytest.mark.parametrize("ends", [False, True])
def test_a_client_that_speaks_during_its_call_does_not_keep_the_leader_busy(rig: MakeRig, ends: bool) -> None:
    """The next request, or the client's end, is heard of once while another thread has the connection, and served
    when that is done.
    """
    gate = Gate()
    make = rig(gate)
    client = make.connect()
    client.send(request("/wait"))
    gate.wait_entered()
    assert make.get("/others").body == b"/others"
    client.send(request("/next"))
    if ends:
        client.half_close()
    assert cpu_of_leader(make, client.sock) < 0.05
    gate.open()
    assert client.read().body == b"/wait"
    assert client.read().body == b"/next"
    if ends:
        assert client.closed()
    else:
        assert client.get("/last").body == b"/last"
    assert make.engine._core.lent == {}


@pytest.mark.parametrize("threads", [2, 5])
def test_beside_other_calls_clients_may_do_what_they_like(rig: MakeRig, threads: int) -> None:
    """While a call waits in another thread: large answers to slow clients, half requests, resets and ends."""
    gate = Gate()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/large":
            return gate(environ, start_response)
        start_response("200 OK", [])
        return [b"x" * (8 << 20)]

    make = rig(app, settings={"threads": threads})
    waiting = make.connect()
    waiting.send(request("/wait"))
    gate.wait_entered()
    assert make.get("/quick").body == b"/quick"
    slow, half, reset, gone = (make.connect() for _ in range(4))
    slow.send(request("/large"))
    half.send(request("/half")[:10])
    reset.send(request("/large"))
    reset.reset()
    gone.half_close()
    assert gone.closed()
    half.send(request("/half")[10:])
    assert half.read().body == b"/half"
    assert slow.read().body == b"x" * (8 << 20)
    gate.open()
    assert waiting.read().body == b"/wait"


def test_many_clients_and_many_blocking_calls(rig: MakeRig) -> None:
    """200 requests of 20 clients, a part of them blocking, over 8 threads: each is answered once."""
    make = rig(blocking)
    clients = [make.connect() for _ in range(20)]
    for round_ in range(10):
        for number, client in enumerate(clients):
            client.send(request("/block/0.01" if (number + round_) % 3 == 0 else f"/{number}"))
        for number, client in enumerate(clients):
            expected = b"/block/0.01" if (number + round_) % 3 == 0 else b"/%d" % number
            assert client.read().body == expected
    assert make.engine.counters.requests == 200


def test_a_streaming_answer_to_a_slow_client_does_not_stop_the_others(rig: MakeRig) -> None:
    """The thread that has to wait for its client gives the lead away first."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/large":
            return hello(environ, start_response)
        start_response("200 OK", [])
        return (bytes(1_000_000) for _ in range(20))

    make = rig(app)
    slow = make.connect()
    slow.send(request("/large"))
    slow.head()
    assert make.get("/quick").body == b"/quick"
    assert sum(len(chunk) for chunk in iter(slow.chunk, b"")) == 20_000_000


def test_a_failing_source_does_not_take_the_lead_with_it(rig: MakeRig) -> None:
    """An exception in a callback is logged, and requests go on."""
    make = rig(hello)
    ours, theirs = socket.socketpair()
    called = threading.Semaphore(0)

    def fail(fd: int) -> None:
        os.read(fd, 100)
        called.release()
        raise RuntimeError("in the callback")

    make.engine.add_source(theirs.fileno(), fail)
    make.expected_exceptions = 2
    for _ in range(2):
        ours.send(b"x")
        assert called.acquire(timeout=10)
        assert make.get().status == 200
    make.engine.remove_source(theirs.fileno())
    ours.close()
    theirs.close()


def test_a_writable_source(rig: MakeRig) -> None:
    """A source can wait for room instead of data, and be removed by its own callback."""
    make = rig(hello)
    ours, theirs = socket.socketpair()
    called = threading.Event()

    def room(fd: int) -> None:
        make.engine.remove_source(fd)
        called.set()

    make.engine.add_source(theirs.fileno(), room, writable=True)
    assert called.wait(10)
    ours.close()
    theirs.close()


def test_an_application_that_closes_the_socket_harms_only_itself(rig: MakeRig) -> None:
    """The raw socket is in the environ; closing it ends that connection, and its number may be used again."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/close":
            environ["gunicorn.socket"].close()
        return hello(environ, start_response)

    make = rig(app)
    other = make.connect()
    other.get()
    for _ in range(5):
        client = make.connect()
        client.send(request("/close"))
        assert client.closed()
        assert make.get("/next").body == b"/next"
    assert other.get().status == 200


def test_stop_does_not_wait_for_the_application(rig: MakeRig) -> None:
    """stop() returns while a call is stuck; the thread ends when its call does."""
    gate = Gate()
    make = rig(gate)
    client = make.connect()
    client.send(request("/wait"))
    gate.wait_entered()
    make.engine.stop()
    assert client.closed()
    gate.open()
    eventually(lambda: not [t for t in threading.enumerate() if t.name.startswith("hotswap-")])
