"""One thread leads: when it loses the lead, which one gets it, and that the lead never goes missing."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterable
from time import clock_gettime, monotonic, pthread_getcpuclockid, thread_time

import pytest

from hotswap.engine.wsgi.blocking_routes import BlockingRoutes
from tests.engine.apps import Environ, Gate, Start, hello
from tests.engine.engine_server import DEADLINE, EngineServer, Serve, request
from tests.eventually import eventually


def blocking(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """`/block/SECONDS` waits that long without the CPU, as a database call does."""
    path = environ["PATH_INFO"]
    if path.startswith("/block/"):
        select.select([], [], [], float(path[7:]))
    return hello(environ, start_response)


def slow_echo(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Blocks long enough to lose the lead as a rule, and answers with the body that came."""
    select.select([], [], [], 0.002)
    start_response("200 OK", [])
    return [environ["wsgi.input"].read()]


def test_a_stuck_call_does_not_stop_the_others(serve: Serve) -> None:
    """While one request waits in the application, another connection is answered."""
    gate = Gate()
    server = serve(gate)
    stuck = server.connect()
    stuck.send(request("/wait"))
    gate.wait_entered()
    assert server.get("/quick").body == b"/quick"
    gate.open()
    assert stuck.read().body == b"/wait"
    assert server.engine.counters.steals == 1


def test_the_connection_of_a_stuck_call_goes_on(serve: Serve) -> None:
    """`/block/0.1`, then `/` on the same connection, with no other client to wake anything."""
    client = serve(blocking).connect()
    for _ in range(3):
        begin = monotonic()
        assert client.get("/block/0.1").body == b"/block/0.1"
        assert client.get("/").body == b"/"
        assert monotonic() - begin < 5


def test_requests_behind_a_stuck_one_are_answered(serve: Serve) -> None:
    """Pipelined behind a call that lost the lead, they are served although epoll will not report them."""
    client = serve(blocking).connect()
    client.send(request("/block/0.1") + request("/a") + request("/block/0.05") + request("/b"))
    assert [client.read().body for _ in range(4)] == [b"/block/0.1", b"/a", b"/block/0.05", b"/b"]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_last_free_thread_never_runs_the_application(serve: Serve, threads: int) -> None:
    """With all threads in the application, connections are still accepted and requests read; they are
    answered when one is free, and the log says that threads are short. At most `threads` calls run at once.
    """
    gate = Gate()
    server = serve(gate, settings={"threads": threads})
    stuck = [server.connect() for _ in range(threads)]
    for client in stuck:
        client.send(request("/wait"))
    gate.wait_entered(threads)
    queued = [server.connect() for _ in range(3)]
    for client in queued:
        client.send(request("/queued"))
    eventually(lambda: server.engine.counters.queued == 3)
    assert not gate.entered.acquire(blocking=False)
    gate.open()
    for client in stuck + queued:
        assert client.read().status == 200
    assert any("requests wait" in text for text in server.log.said("warning"))


def test_threads_are_started_when_needed(serve: Serve) -> None:
    """Quick requests need one thread; a stuck one starts the second."""
    gate = Gate()
    server = serve(gate)
    for _ in range(50):
        server.get()
    assert server.engine.debug_view().threads == 1
    client = server.connect()
    client.send(request("/wait"))
    gate.wait_entered()
    eventually(lambda: server.engine.debug_view().threads == 2)
    gate.open()
    assert client.read().status == 200


def start_none(_thread: threading.Thread) -> None:
    """threading.Thread.start at the limit of threads."""
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("body", [b"", b"hello", b"x" * 1001])
def test_the_only_thread_serves_what_waits_for_another(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """The system gives no second thread: a path that blocks and a body that is long get their answers all the same,
    and so do the others.
    """

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        return (hello if environ["PATH_INFO"] == "/quick" else slow_echo)(environ, start_response)

    server = serve(app, body_buffer=1000)
    monkeypatch.setattr(threading.Thread, "start", start_none)
    client, quick = server.connect(), server.connect()
    for _ in range(60):
        client.send(b"POST /slow HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert client.read().body == body
        assert quick.get("/quick").body == b"/quick"
    assert server.engine.debug_view().threads == 1
    assert any("cannot start thread 2" in text for text in server.log.said("error"))


def test_no_memory_for_a_thread(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request waits as where the system gives none, and is not closed under the thread that serves it."""

    def no_memory(_thread: threading.Thread) -> None:
        raise MemoryError

    server = serve(hello, body_buffer=10)
    monkeypatch.setattr(threading.Thread, "start", no_memory)
    client = server.connect()
    client.send(request("/slow", "Content-Length: 11", method="POST", body=b"hello again"))
    assert client.read().status == 200
    assert any("cannot start thread 2" in text for text in server.log.said("error"))
    assert client.get("/next").body == b"/next"


def test_a_route_that_blocks_gives_the_lead_away_first(serve: Serve) -> None:
    """After some calls the path is known; then the lead is not stolen but given."""
    server = serve(blocking)
    client = server.connect()
    for _ in range(40):
        client.get("/block/0.002")
    assert server.engine.counters.given_away > 5
    assert client.get("/").status == 200


def test_a_body_is_not_lost_when_the_lead_cannot_be_given_away(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that blocks, with a body that came along, where no more threads can be started: the request waits for one
    that is busy, and the body is still there then. So is the request behind it.
    """
    gate = Gate()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        return (gate if environ["PATH_INFO"] == "/wait" else slow_echo)(environ, start_response)

    server = serve(app)
    client, stuck = server.connect(), []
    post = b"POST /slow HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"
    while server.engine.counters.given_away < 5:
        client.send(post)
        assert client.read().body == b"hello"
    monkeypatch.setattr(threading.Thread, "start", start_none)
    steals = server.engine.counters.steals
    for _ in range(server.engine.debug_view().threads - 1):  # all but the one that leads
        stuck.append(server.connect())
        stuck[-1].send(request("/wait"))
        gate.wait_entered()
        eventually(lambda: server.engine.counters.steals == steals + len(stuck))
    client.send(post + post.replace(b"hello", b"again"))
    eventually(lambda: server.engine.counters.queued == 1)
    gate.open()
    assert [client.read().body for _ in range(2)] == [b"hello", b"again"]
    assert [each.read().status for each in stuck] == [200] * len(stuck)


def test_a_call_that_computes_and_then_waits_loses_the_lead(serve: Serve) -> None:
    """As soon as it waits, although it had the CPU a moment ago."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        until = thread_time() + 0.0003
        while thread_time() < until:
            pass
        select.select([], [], [], 0.003)
        return hello(environ, start_response)

    server = serve(app)
    client = server.connect()

    def was_taken() -> bool:
        client.get("/path")
        return server.engine.counters.steals > 0

    eventually(was_taken)


def test_a_route_that_stops_blocking_keeps_the_lead_again(serve: Serve) -> None:
    """A trial now and then finds out."""
    slow = threading.Event()
    slow.set()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if slow.is_set():
            select.select([], [], [], 0.002)
        return hello(environ, start_response)

    server = serve(app)
    client = server.connect()
    for _ in range(40):
        client.get("/path")
    assert server.engine.debug_view().paths["/path"].blocks > 0.5
    slow.clear()

    def quick_again() -> bool:
        client.get("/path")
        return server.engine.debug_view().paths["/path"].blocks < 0.5

    eventually(quick_again)


def test_a_route_that_computes_is_measured_now_and_then_only(serve: Serve) -> None:
    """Its calls are slow, so it is looked at; that it never blocks is soon known, and looking costs time."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        until = thread_time() + 0.0003
        while thread_time() < until:
            pass
        return hello(environ, start_response)

    server = serve(app)
    client = server.connect()

    def rests() -> bool:
        client.get("/path")
        paths = server.engine.debug_view().paths
        return "/path" in paths and paths["/path"].rests_until_turn > 0

    eventually(rests)
    assert server.engine.debug_view().paths["/path"].rests_until_turn > server.engine.counters.requests + 100
    assert server.engine.counters.given_away == 0


def cpu_of_leader(server: EngineServer, silent: socket.socket) -> float:
    """CPU seconds that the leading thread uses in a fifth of a second, in which `silent` gets nothing."""
    clock = pthread_getcpuclockid(server.engine.debug_view().leader)
    before = clock_gettime(clock)
    assert select.select([silent], [], [], 0.2)[0] == []
    return clock_gettime(clock) - before


def test_paths_that_clients_invent_are_forgotten() -> None:
    """However many block, the table stays small, and the next one is learnt."""
    routes = BlockingRoutes()
    for number in range(5000):
        routes.note(f"/item/{number}", True, number)
    assert len(routes.paths) <= 1024
    assert "/item/4999" in routes.paths


def test_two_calls_that_block_are_enough_for_a_close_look() -> None:
    """One is not, and neither are two with many requests between them."""
    routes = BlockingRoutes()
    routes.note("/a", True, 1)
    assert not routes.often_block(monotonic())
    routes.note("/b", True, 3)
    assert routes.often_block(monotonic())
    routes.note("/a", True, 1000)
    assert not routes.often_block(monotonic())


def test_the_leader_waits_for_a_thread_that_releases_a_connection(serve: Serve) -> None:
    """The thread has registered it and not said so yet: an event meanwhile must not keep the leader polling.

    Both may share a CPU, and then the one spins for whole time slices while the other cannot go on.
    """
    gate, registered, go_on = Gate(), threading.Event(), threading.Event()
    server = serve(gate)
    client = server.connect()
    client.send(request("/wait"))
    gate.wait_entered()
    assert server.get("/others").body == b"/others"
    (fd,) = [conn.fd for conn in server.connections if conn.parked]
    client.send(request("/next"))
    eventually(lambda: not [conn for conn in server.connections if conn.parked])  # the leader has heard it, and no more

    def after(act: str, number: int) -> None:
        if act == "register" and number == fd:
            registered.set()
            assert go_on.wait(DEADLINE)

    server.epoll.after = after
    gate.open()
    assert client.read().body == b"/wait"
    assert registered.wait(DEADLINE)
    used = cpu_of_leader(server, client.sock)
    go_on.set()
    assert client.read().body == b"/next"
    assert used < 0.05


@pytest.mark.parametrize("ends", [False, True])
def test_a_client_that_speaks_during_its_call_does_not_keep_the_leader_busy(serve: Serve, ends: bool) -> None:
    """The next request, or the client's end, is heard of once while another thread has the connection, and served
    when that is done.
    """
    gate = Gate()
    server = serve(gate)
    client = server.connect()
    client.send(request("/wait"))
    gate.wait_entered()
    assert server.get("/others").body == b"/others"
    client.send(request("/next"))
    if ends:
        client.half_close()
    assert cpu_of_leader(server, client.sock) < 0.05
    gate.open()
    assert client.read().body == b"/wait"
    assert client.read().body == b"/next"
    if ends:
        assert client.closed()
    else:
        assert client.get("/last").body == b"/last"
    assert not any(conn.parked for conn in server.connections)


@pytest.mark.parametrize("threads", [2, 5])
def test_beside_other_calls_clients_may_do_what_they_like(serve: Serve, threads: int) -> None:
    """While a call waits in another thread: large answers to slow clients, half requests, resets and ends."""
    gate = Gate()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/large":
            return gate(environ, start_response)
        start_response("200 OK", [])
        return [b"x" * (8 << 20)]

    server = serve(app, settings={"threads": threads})
    waiting = server.connect()
    waiting.send(request("/wait"))
    gate.wait_entered()
    assert server.get("/quick").body == b"/quick"
    slow, half, reset, gone = (server.connect() for _ in range(4))
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


def test_many_clients_and_many_blocking_calls(serve: Serve) -> None:
    """200 requests of 20 clients, a part of them blocking, over 8 threads: each is answered once."""
    server = serve(blocking)
    clients = [server.connect() for _ in range(20)]
    for round_ in range(10):
        for number, client in enumerate(clients):
            client.send(request("/block/0.01" if (number + round_) % 3 == 0 else f"/{number}"))
        for number, client in enumerate(clients):
            expected = b"/block/0.01" if (number + round_) % 3 == 0 else b"/%d" % number
            assert client.read().body == expected
    assert server.engine.counters.requests == 200


def test_a_streaming_answer_to_a_slow_client_does_not_stop_the_others(serve: Serve) -> None:
    """The thread that has to wait for its client gives the lead away first."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/large":
            return hello(environ, start_response)
        start_response("200 OK", [])
        return (bytes(1_000_000) for _ in range(20))

    server = serve(app)
    slow = server.connect()
    slow.send(request("/large"))
    slow.head()
    assert server.get("/quick").body == b"/quick"
    assert sum(len(chunk) for chunk in iter(slow.chunk, b"")) == 20_000_000


def test_a_failing_source_does_not_take_the_lead_with_it(serve: Serve) -> None:
    """An exception in a callback is logged, once of the same kind, and requests go on."""
    server = serve(hello)
    ours, theirs = socket.socketpair()
    called = threading.Semaphore(0)

    def fail(fd: int) -> None:
        os.read(fd, 100)
        called.release()
        raise RuntimeError("in the callback")

    server.engine.add_source(theirs.fileno(), fail)
    server.expected_exceptions = 1
    for _ in range(2):
        ours.send(b"x")
        assert called.acquire(timeout=10)
        assert server.get().status == 200
    server.engine.remove_source(theirs.fileno())
    ours.close()
    theirs.close()


def test_a_writable_source(serve: Serve) -> None:
    """A source can wait for room instead of data, and be removed by its own callback."""
    server = serve(hello)
    ours, theirs = socket.socketpair()
    called = threading.Event()

    def room(fd: int) -> None:
        server.engine.remove_source(fd)
        called.set()

    server.engine.add_source(theirs.fileno(), room, writable=True)
    assert called.wait(10)
    ours.close()
    theirs.close()


def test_an_application_that_closes_the_socket_harms_only_itself(serve: Serve) -> None:
    """The raw socket is in the environ; closing it ends that connection, and its number may be used again."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/close":
            environ["gunicorn.socket"].close()
        return hello(environ, start_response)

    server = serve(app)
    other = server.connect()
    other.get()
    for _ in range(5):
        client = server.connect()
        client.send(request("/close"))
        assert client.closed()
        assert server.get("/next").body == b"/next"
    assert other.get().status == 200


def test_stop_does_not_wait_for_the_application(serve: Serve) -> None:
    """stop() returns while a call is stuck; the thread ends when its call does."""
    gate = Gate()
    server = serve(gate)
    client = server.connect()
    client.send(request("/wait"))
    gate.wait_entered()
    server.engine.stop()
    assert client.closed()
    gate.open()
    eventually(lambda: not [t for t in threading.enumerate() if t.name.startswith("hotswap-")])
