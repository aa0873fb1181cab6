"""leave, adopt, resume, hammer: every connection is handed over exactly once, or finished, and none is forgotten."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from time import monotonic

import pytest

from hotswap.engine import Moved
from tests.engine.apps import Environ, Gate, Start, echo, hello
from tests.engine.engine_server import Client, EngineServer, Serve, request
from tests.eventually import eventually


class Successor:
    """Takes what is given, and gives it to a second engine; remembers every hand-out."""

    def __init__(self, server: EngineServer | None = None, takes: Callable[[Moved], bool] = lambda moved: True) -> None:
        self.moved: list[Moved] = []
        self.batches: list[int] = []
        self._server = server
        self._takes = takes

    def give(self, offers: list[Moved]) -> list[Moved]:
        self.batches.append(len(offers))
        taken = [moved for moved in offers if self._takes(moved)]
        self.moved += taken
        if self._server is not None:
            self._server.engine.adopt(taken)
        return [moved for moved in offers if moved not in taken]

    def close(self) -> None:
        for moved in self.moved:
            moved.sock.close()


def test_idle_connections_move_and_are_never_closed(serve: Serve) -> None:
    """200 kept connections are answered by the second engine, in batches of at most 64, each handed out once."""
    old, new = serve(hello), serve(hello)
    clients = [old.connect() for _ in range(200)]
    for client in clients:
        client.get("/old")
    successor = Successor(new)
    old.engine.leave(successor.give)
    old.wait_idle()  # the thread that sent the last answer may not have been done with its connection
    assert sum(successor.batches) == 200
    assert max(successor.batches) <= 64
    for client in clients:
        assert client.get("/new").body == b"/new"
    assert new.engine.counters.requests == 200
    assert (old.engine.counters.handed_over, new.engine.counters.adopted) == (200, 200)


def test_one_that_is_about_to_arrive_is_waited_for(serve: Serve) -> None:
    """The leader has accepted or received it a moment ago, and had no time to say so: it must not be lost with us."""
    old, new = serve(hello), serve(hello)
    ours, theirs = socket.socketpair()
    entered, go_on = threading.Event(), threading.Event()

    def arrive(fd: int) -> None:
        entered.set()
        assert go_on.wait(10)
        old.engine.adopt([Moved(ours, "main")])

    client = Client(theirs)
    old.engine.add_source(theirs.fileno(), arrive, writable=True)
    assert entered.wait(10)
    old.engine.remove_source(theirs.fileno())
    old.engine.leave(Successor(new).give)
    assert not old.engine.idle
    go_on.set()
    old.wait_idle()
    assert client.get("/moved").body == b"/moved"
    client.close()


def test_what_waits_in_the_backlog_moves_too(serve: Serve) -> None:
    """Connections that the old engine had not accepted when it left are not left in the listener."""
    old, new = serve(hello), serve(hello)
    clients = [old.connect() for _ in range(50)]
    old.engine.leave(Successor(new).give)
    for client in clients:
        assert client.get("/x").body == b"/x"
    assert new.engine.counters.requests == 50


def test_a_half_read_head_travels(serve: Serve) -> None:
    """A request sent in two halves across the change is answered by the one that has its second half."""
    old, new = serve(hello), serve(hello)
    client = old.connect()
    client.get()
    data = request("/split", "X-Header: value")
    client.send(data[:20])
    eventually(lambda: any(conn.unserved for conn in old.connections))
    successor = Successor(new)
    old.engine.leave(successor.give)
    assert successor.moved[0].data == data[:20]
    client.send(data[20:])
    assert client.read().body == b"/split"
    assert new.engine.counters.requests == 1


def test_whole_requests_among_the_bytes_are_served_at_once(serve: Serve) -> None:
    """Adopted with two requests and a half: epoll will not say anything about the first two."""
    server = serve(hello)
    third = request("/3")
    client = server.adopted(request("/1") + request("/2") + third[:5])
    assert client.read().body == b"/1"
    assert client.read().body == b"/2"
    client.send(third[5:])
    assert client.read().body == b"/3"


def test_a_busy_connection_moves_when_it_is_done(serve: Serve) -> None:
    """Its request is answered as if nothing happened, without Connection: close, and the next is the successor's."""
    gate = Gate()
    old, new = serve(gate), serve(hello)
    client = old.connect()
    client.send(request("/wait"))
    gate.wait_entered()
    old.engine.leave(Successor(new).give)
    assert not old.engine.idle
    assert [(one.method, one.path) for one in old.engine.in_flight()] == [("GET", "/wait")]
    gate.open()
    answer = client.read()
    assert answer.body == b"/wait"
    assert "connection" not in answer.headers
    assert client.get("/next").body == b"/next"
    old.wait_idle()
    assert new.engine.counters.requests == 1


def test_a_half_read_body_is_finished_first(serve: Serve) -> None:
    """Collected or streamed: the upload is answered by the one that began it, then the connection moves."""
    for body_buffer in (5, 1000):
        old, new = serve(echo, body_buffer=body_buffer), serve(hello)
        client = old.connect()
        client.send(request("/", "Content-Length: 20", method="POST", body=b"x" * 10))
        eventually(old.engine.in_flight)
        old.engine.leave(Successor(new).give)
        assert not old.engine.idle
        client.send(b"y" * 10)
        assert client.read().body == b"x" * 10 + b"y" * 10
        assert client.get("/next").body == b"/next"
        old.wait_idle()


def test_an_answer_half_written_is_finished_first(serve: Serve) -> None:
    """A slow reader gets its whole answer, then its connection moves."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [bytes(20_000_000)]

    old, new = serve(app), serve(hello)
    client = old.connect()
    client.send(request())
    client.head()
    old.engine.leave(Successor(new).give)
    assert not old.engine.idle
    client.exactly(20_000_000)
    assert client.get("/next").body == b"/next"
    old.wait_idle()


def test_pipelined_requests_travel_or_are_served(serve: Serve) -> None:
    """Behind a stuck request wait three more: all are answered in order, by whichever engine."""
    gate = Gate()
    old, new = serve(gate), serve(hello)
    client = old.connect()
    client.send(request("/wait") + request("/1") + request("/2") + request("/3"))
    gate.wait_entered()
    old.engine.leave(Successor(new).give)
    gate.open()
    assert [client.read().body for _ in range(4)] == [b"/wait", b"/1", b"/2", b"/3"]
    assert new.engine.counters.requests == 3


def test_more_bytes_than_may_travel_are_served_first(serve: Serve) -> None:
    """With more than 64 KiB of requests read, the old engine works until what is left can move."""
    gate = Gate()
    old, new = serve(gate, movable=1000), serve(hello)
    client = old.connect()
    client.send(request("/wait") + b"".join(request(f"/{n}") for n in range(100)))
    gate.wait_entered()
    successor = Successor(new)
    old.engine.leave(successor.give)
    gate.open()
    assert client.read().body == b"/wait"
    assert [client.read().body for _ in range(100)] == [b"/%d" % n for n in range(100)]
    assert 0 < len(successor.moved[0].data) <= 1000


def test_what_is_not_taken_drains(serve: Serve) -> None:
    """Refused connections are answered once more, with close, or closed after a moment."""
    old, new = serve(hello, drain_linger=1), serve(hello)
    clients = [old.connect() for _ in range(4)]
    for client in clients:
        client.get()
    ports = {clients[0].sock.getsockname()[1], clients[1].sock.getsockname()[1]}
    successor = Successor(new, takes=lambda moved: moved.peer[1] in ports)
    old.engine.leave(successor.give)
    assert clients[0].get("/new").body == b"/new"
    answer = clients[2].get("/last")
    assert (answer.body, answer.headers["connection"]) == (b"/last", "close")
    assert clients[2].closed()
    assert clients[3].closed()
    for client in clients[2:]:
        client.close()
    old.wait_idle()


def test_a_give_that_raises_loses_nothing(serve: Serve) -> None:
    """The exception is logged, the connections drain."""

    def give(offers: list[Moved]) -> list[Moved]:
        raise RuntimeError("no exchange")

    server = serve(hello)
    server.expected_exceptions = 1
    client = server.connect()
    client.get()
    server.engine.leave(give)
    assert client.get("/last").headers["connection"] == "close"


def test_draining_answers_what_is_on_the_wire(serve: Serve) -> None:
    """leave(None): a request that arrives within the linger is answered with close; an idle connection gets a FIN."""
    server = serve(hello, drain_linger=1)
    idle, asking = server.connect(), server.connect()
    idle.get()
    asking.get()
    begin = monotonic()
    server.engine.leave(None)
    answer = asking.get("/last")
    assert (answer.body, answer.headers["connection"]) == (b"/last", "close")
    assert asking.closed()
    assert idle.closed()
    assert monotonic() - begin >= 1
    idle.close()
    asking.close()
    server.wait_idle()


def test_draining_answers_all_that_was_pipelined(serve: Serve) -> None:
    """Only the last of them carries Connection: close."""
    gate = Gate()
    server = serve(gate)
    client = server.connect()
    client.send(request("/wait") + request("/1") + request("/2"))
    gate.wait_entered()
    server.engine.leave(None)
    gate.open()
    answers = [client.read() for _ in range(3)]
    assert [answer.body for answer in answers] == [b"/wait", b"/1", b"/2"]
    assert ["connection" in answer.headers for answer in answers] == [False, False, True]
    assert client.closed()


def test_leave_may_change_its_mind(serve: Serve) -> None:
    """What drains can still be given; what was to be given can still drain; and then all comes back."""
    old, new = serve(hello), serve(hello)
    clients = [old.connect() for _ in range(3)]
    for client in clients:
        client.get()
    nobody = Successor(takes=lambda moved: False)
    old.engine.leave(nobody.give)
    eventually(lambda: sum(nobody.batches) == 3)
    old.engine.leave(None)
    old.engine.resume()
    for client in clients:
        assert "connection" not in client.get("/still").headers
    assert old.get("/accepted").body == b"/accepted"
    old.engine.leave(Successor(new).give)
    for client in clients:
        assert client.get("/moved").body == b"/moved"


def test_resume_accepts_again(serve: Serve) -> None:
    """After leave the engine does not accept; after resume it answers what waited."""
    server = serve(hello)
    server.engine.leave(Successor().give)
    client = server.connect()
    client.send(request("/waits"))
    server.engine.resume()
    assert client.read().body == b"/waits"


def test_a_connection_for_an_unknown_listener_is_closed(serve: Serve) -> None:
    """With a warning that names it."""
    import socket

    server = serve(hello)
    ours, theirs = socket.socketpair()
    server.engine.adopt([Moved(theirs, "other", "")])
    client = Client(ours)
    assert client.closed()
    client.close()
    assert "other" in server.log.said("warning")[0]


def test_hammer_cuts_what_runs_and_says_what(serve: Serve) -> None:
    """Idle, busy, uploading and writing connections end; the requests among them are named."""
    gate = Gate()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            return echo(environ, start_response)
        if environ["PATH_INFO"] == "/large":
            start_response("200 OK", [])
            return [bytes(20_000_000)]
        return gate(environ, start_response)

    server = serve(app)
    idle, busy, upload, large = (server.connect() for _ in range(4))
    idle.get()
    busy.send(request("/wait"))
    gate.wait_entered()
    upload.send(request("/up", "Content-Length: 9000000", method="POST"))
    large.send(request("/large"))
    large.head()
    eventually(lambda: len(server.engine.in_flight()) == 3)
    server.engine.leave(None)
    cut = server.engine.hammer()
    assert sorted((one.method, one.path) for one in cut) == [("GET", "/large"), ("GET", "/wait"), ("POST", "/up")]
    assert all(one.peer[0] == "127.0.0.1" and one.started <= monotonic() for one in cut)
    assert idle.closed()
    assert busy.closed()
    gate.open()
    server.wait_idle()


def test_changed_is_called_when_all_is_gone(serve: Serve) -> None:
    """Without leaving too: the process that waits for the last connection to end hears of it."""
    server = serve(hello)
    client = server.connect()
    client.get()
    client.close()
    server.wait_idle()


@pytest.mark.parametrize("attempt", range(10))
def test_a_thread_that_finishes_during_the_sweep(serve: Serve, attempt: int) -> None:
    """Eight stuck calls are let go at the very moment of leave(): each connection is handed out exactly once."""
    gate = Gate()
    old, new = serve(gate), serve(hello)
    clients = [old.connect() for _ in range(8)]
    for client in clients:
        client.send(request("/wait"))
    gate.wait_entered(8)
    successor = Successor(new)
    opener = threading.Thread(target=gate.open)
    opener.start()
    old.engine.leave(successor.give)
    opener.join()
    for client in clients:
        assert client.read().body == b"/wait"
    old.wait_idle()
    assert len({id(moved.sock) for moved in successor.moved}) == len(successor.moved) == 8
    for client in clients:
        assert client.get("/after").body == b"/after"


def _grown(counts: list[int], failures: list[BaseException]) -> Callable[[], bool]:
    before = min(counts)
    return lambda: min(counts) > before or bool(failures)


def test_back_and_forth_under_load(serve: Serve) -> None:
    """Connections are moved between two engines forty times while eight clients send: every request is
    answered, in order, no connection is closed.
    """
    engines = [serve(hello), serve(hello)]
    failures: list[BaseException] = []
    stop = threading.Event()
    counts = [0] * 8

    def send(number: int) -> None:
        client = engines[0].connect()
        try:
            while not stop.is_set():
                assert client.get(f"/{number}/{counts[number]}").body == f"/{number}/{counts[number]}".encode()
                counts[number] += 1
        except BaseException as error:  # noqa: BLE001  shown by the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    eventually(lambda: min(counts) > 5)
    for turn in range(40):
        here, there = engines[turn % 2], engines[(turn + 1) % 2]
        if turn:
            there.engine.resume()
        here.engine.leave(Successor(there).give)
        eventually(_grown(counts, failures))
    stop.set()
    for thread in threads:
        thread.join(10)
    assert not failures
    assert sum(one.engine.counters.accepted for one in engines) == 8


def test_slow_calls_move_back_and_forth(serve: Serve) -> None:
    """As above with calls that block, so that most connections become idle in threads that do not lead."""
    import select

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        select.select([], [], [], 0.003)
        return hello(environ, start_response)

    engines = [serve(app), serve(app)]
    clients = [engines[0].connect() for _ in range(8)]
    for turn in range(20):
        here, there = engines[turn % 2], engines[(turn + 1) % 2]
        for number, client in enumerate(clients):
            client.send(request(f"/{turn}/{number}"))
        if turn:
            there.engine.resume()
        here.engine.leave(Successor(there).give)
        for number, client in enumerate(clients):
            assert client.read().body == f"/{turn}/{number}".encode()
