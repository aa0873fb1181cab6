"""The exchange: every connection put in comes out once and whole, in whatever process."""

from __future__ import annotations

import os
import resource
import select
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotswap.handover.exchange import Exchange
from hotswap.handover.wire import MAX_DATA, MAX_FDS, MAX_MESSAGE, ExchangeError, Message, Passed, pack
from hotswap.system import fd_limit
from tests.live import starts_processes
from tests.system.exchange_connections import close, connections, open_fds, other_side
from tests.system.other_process import DEADLINE


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    made = Exchange.create()
    yield made
    made.close()


# Packing


texts = st.text(max_size=20)
items = st.builds(
    Passed,
    fd=st.just(-1),
    listener=texts,
    data=st.binary(max_size=100) | st.integers(0, MAX_DATA).map(bytes),
    proxy=texts,
)


@given(st.lists(items, max_size=300))
def test_batches(passed: list[Passed]) -> None:
    """Every connection is in one message, in order; no message has too many descriptors or bytes."""
    messages = pack(passed)
    assert [item for message in messages for item in message.passed] == passed
    for message in messages:
        assert 0 < len(message.passed) <= MAX_FDS
        assert len(message.payload) <= MAX_MESSAGE


def test_few_messages() -> None:
    """Idle connections travel 64 a message; two with all the data there may be share one."""
    idle = [Passed(-1, "127.0.0.1:80")] * 130
    assert [len(message.passed) for message in pack(idle)] == [64, 64, 2]
    full = [Passed(-1, "127.0.0.1:80", bytes(MAX_DATA))] * 5
    assert [len(message.passed) for message in pack(full)] == [2, 2, 1]


@pytest.mark.parametrize("item", [Passed(-1, "x", bytes(MAX_DATA + 1)), Passed(-1, "x", proxy="y" * MAX_MESSAGE)])
def test_connection_too_large_to_travel(item: Passed) -> None:
    """A connection with more unserved bytes than may travel is refused before anything is packed."""
    with pytest.raises(ValueError, match="bytes unserved cannot travel"):
        pack([Passed(-1, "x"), item])


# The journey


@settings(max_examples=40)
@given(st.lists(items, max_size=150))
def test_round_trip(passed: list[Passed]) -> None:
    """Whatever is sent is received: the same connection with the same words and bytes, in order."""
    exchange = Exchange.create()
    read, write = os.pipe()
    inode = os.fstat(read).st_ino
    before = open_fds()
    for item in passed:
        item.fd = os.dup(read)
    queue, received = pack(passed), []
    while queue or exchange.waiting():
        if queue and exchange.send(queue[0]):
            queue.pop(0)
            continue
        received += exchange.receive() or []
    assert exchange.receive() is None
    assert all(os.fstat(item.fd).st_ino == inode for item in received)
    close(passed=received)
    for one, two in zip(passed, received, strict=True):
        assert (one.listener, one.data, one.proxy) == (two.listener, two.data, two.proxy)
    assert open_fds() == before
    exchange.close()
    os.close(read)
    os.close(write)


def test_ends(exchange: Exchange) -> None:
    """Both ends are non-blocking and close-on-exec, nothing waits in a new exchange."""
    for fd in (exchange.send_fd, exchange.receive_fd):
        assert not os.get_blocking(fd)
        assert not os.get_inheritable(fd)
    assert exchange.waiting() == 0
    assert exchange.receive() is None


def test_received_connections_are_close_on_exec(exchange: Exchange) -> None:
    """A received connection does not leak into the application's subprocesses."""
    clients, passed = connections(3)
    (message,) = pack(passed)
    assert exchange.send(message)
    received = exchange.receive()
    assert received
    assert not any(os.get_inheritable(item.fd) for item in received)
    close(clients=clients, passed=received)


def test_sending_closes_the_own_copy(exchange: Exchange) -> None:
    """A connection that was sent is no longer open here, and the client does not notice."""
    clients, passed = connections(1)
    (message,) = pack(passed)
    assert exchange.send(message)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(passed[0].fd)
    assert exchange.waiting() > 0
    assert select.select(clients, [], [], 0) == ([], [], [])
    received = exchange.receive()
    assert received
    os.write(received[0].fd, b"answer")
    assert clients[0].recv(100) == b"answer"
    assert exchange.waiting() == 0
    close(clients=clients, passed=received)


@starts_processes
def test_bytes_that_arrive_on_the_way(exchange: Exchange) -> None:
    """What a client sends while its connection is in the queue is not lost."""
    (client,), passed = connections(1)
    (message,) = pack(passed)
    assert exchange.send(message)
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    with other_side(exchange) as receiver:
        receiver.do("(item,) = exchange.receive()")
        assert receiver.ask("(item.data, os.read(item.fd, 100))") == (b"0", b"GET / HTTP/1.1\r\n\r\n")
        receiver.do("os.write(item.fd, b'200')")
        assert client.recv(100) == b"200"
    client.close()


@starts_processes
def test_sender_killed_after_sending(exchange: Exchange) -> None:
    """What a process has sent outlives it, kill -9 or not."""
    with other_side(exchange) as sender:
        sender.do("one, two = socket.socketpair(); one.sendall(b'still here')")
        assert sender.ask("exchange.send(pack([Passed(two.detach(), 'x')])[0])")
        sender.kill()
    received = exchange.receive()
    assert received
    assert os.read(received[0].fd, 100) == b"still here"
    close(passed=received)


@starts_processes
def test_receiver_killed_before_receiving(exchange: Exchange) -> None:
    """The sender takes back what no process has received yet, and no client has noticed."""
    clients, passed = connections(100)
    with other_side(exchange) as receiver:
        for message in pack(passed):
            assert exchange.send(message)
        receiver.kill()
    taken = []
    while exchange.waiting():
        taken += exchange.receive() or []
    assert [item.data for item in taken] == [str(number).encode() for number in range(100)]
    for client, item in zip(clients, taken, strict=True):
        os.write(item.fd, b"x")
        assert client.recv(1) == b"x"
    close(clients=clients, passed=taken)


@starts_processes
def test_every_connection_arrives_once(exchange: Exchange) -> None:
    """Several processes receive from one exchange: each connection goes to one of them."""
    clients, passed = connections(300)
    read, write = os.pipe()
    loop = (
        "got = []\n"
        f"while {read} not in select.select([exchange.receive_fd, {read}], [], [])[0]:\n"
        "    for item in exchange.receive() or []:\n"
        "        os.write(item.fd, item.data + b'!'); got.append(item)"
    )
    with other_side(exchange, read) as one, other_side(exchange, read) as two:
        for process in (one, two):
            process.begin(loop)
        # Small ones, so that both get some.
        for item in passed:
            assert exchange.send(pack([item])[0])
        answers = [client.recv(100) for client in clients]
        assert answers == [str(number).encode() + b"!" for number in range(300)]
        os.close(write)
        for process in (one, two):
            process.answer()
        assert one.ask("len(got)") + two.ask("len(got)") == 300
    os.close(read)
    close(clients=clients)


# Full


def test_full_queue(exchange: Exchange) -> None:
    """A full queue says False and takes nothing; EPOLLOUT tells when to go on, and all arrive."""
    read, write = os.pipe()
    sent = 0
    while exchange.send(message := pack([Passed(os.dup(read), "x", bytes(MAX_DATA))])[0]):
        sent += 1
    os.fstat(message.passed[0].fd)
    assert sent > 1
    poll = select.epoll()
    poll.register(exchange.send_fd, select.EPOLLOUT)
    assert poll.poll(0) == []
    received = 0
    while not exchange.send(message):
        batch = exchange.receive()
        assert batch
        close(passed=batch)
        received += 1
    while batch := exchange.receive():
        close(passed=batch)
        received += 1
    assert received == sent + 1
    assert [event for _, event in poll.poll(DEADLINE)] == [select.EPOLLOUT]
    assert exchange.waiting() == 0
    poll.close()
    os.close(read)
    os.close(write)


@starts_processes
def test_too_many_connections_in_flight(exchange: Exchange) -> None:
    """More descriptors in flight than the user may have (ETOOMANYREFS) is a full queue, not an error."""
    with other_side(exchange, limit=200) as sender:
        sender.do("os.geteuid() or os.setresuid(54321, 54321, 54321)")  # root has no such limit
        sender.do(
            "read, write = os.pipe(); sent = 0\n"
            "while exchange.send(message := pack([Passed(os.dup(read), 'x') for _ in range(64)])[0]):\n"
            "    sent += 64"
        )
        sent = sender.ask("sent")
        assert 200 < sent < 400
        received = 0
        while batch := exchange.receive():
            received += len(batch)
            close(passed=batch)
        assert received == sent
        assert sender.ask("exchange.send(message)")
    close(passed=exchange.receive())


def test_nobody_has_the_receiving_end() -> None:
    """Sending into a closed exchange is an error, and the connection is still here."""
    exchange = Exchange.create()
    half = Exchange(os.dup(exchange.send_fd), os.dup(exchange.send_fd))
    exchange.close()
    clients, passed = connections(1)
    with pytest.raises(BrokenPipeError):
        half.send(pack(passed)[0])
    close(clients=clients, passed=passed)
    half.close()


def test_nobody_has_the_sending_end() -> None:
    """Receiving from an exchange that has ended is an error: it would be readable for ever."""
    exchange = Exchange.create()
    half = Exchange(os.dup(exchange.receive_fd), os.dup(exchange.receive_fd))
    exchange.close()
    with pytest.raises(ExchangeError, match="no process has its sending end"):
        half.receive()
    half.close()


# Many


@starts_processes
def test_five_thousand_connections(exchange: Exchange, record_property: Callable[[str, object], None]) -> None:
    """5,000 TCP connections move to another process and are answered there: none is lost."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(5000, (fd_limit.raise_nofile_limit() - 200) // 2)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    clients, passed = [], []
    for number in range(count):
        clients.append(socket.create_connection(listener.getsockname()))
        server, _ = listener.accept()
        passed.append(Passed(server.detach(), "127.0.0.1:80", b"%d" % number))
    with other_side(exchange) as receiver:
        receiver.do("from hotswap.system.fd_limit import raise_nofile_limit; raise_nofile_limit(); got = []")
        receiver.begin(
            f"while len(got) < {count} and select.select([exchange.receive_fd], [], [], 10)[0]:\n"
            "    got += exchange.receive() or []"
        )
        began = time.perf_counter()
        _send_all(exchange, pack(passed))
        receiver.answer()
        record_property("seconds", round(time.perf_counter() - began, 3))
        assert receiver.ask("len(got)") == count
        receiver.do("for item in got: os.write(item.fd, item.data)")
        for number, client in enumerate(clients):
            client.settimeout(DEADLINE)
            assert client.recv(10) == b"%d" % number
    close(clients=[*clients, listener])
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def _send_all(exchange: Exchange, messages: list[Message]) -> None:
    for message in messages:
        while not exchange.send(message):
            assert select.select([], [exchange.send_fd], [], DEADLINE)[1]
