"""Few descriptors: the limit, what is free, and receiving connections when hardly any are."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from hotswap.handover.exchange import Exchange
from hotswap.handover.wire import pack
from hotswap.system import fd_limit
from tests.live import starts_processes
from tests.system.exchange_connections import IMPORT, close, connections, other_side
from tests.system.other_process import OtherProcess


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    made = Exchange.create()
    yield made
    made.close()


@starts_processes
def test_no_room_leaves_the_message_in_the_queue(exchange: Exchange) -> None:
    """With too few free descriptors nothing is taken, and what fits is still received."""
    with other_side(exchange, limit=100) as receiver:
        clients, passed = connections(60)
        (message,) = pack(passed)
        assert exchange.send(message)
        receiver.do("many = [os.dup(0) for _ in range(30)]")
        for _ in range(2):
            receiver.do("try: exchange.receive()\nexcept NoRoom as error: text = str(error)\nelse: text = ''")
            assert "descriptors are free (and 32 in reserve): raise ulimit -n" in receiver.ask("text")
        assert exchange.waiting() > 0
        assert receiver.ask("reserve_fds() == reserve_fds(0) - 32")
        receiver.do("for fd in many: os.close(fd)")
        receiver.do("got = exchange.receive(reserve=20)")
        assert receiver.ask("(len(got), exchange.lost, [item.data for item in got][:2])") == (
            60,
            0,
            [b"0", b"1"],
        )
        receiver.do("for item in got: os.write(item.fd, b'x')")
        assert [client.recv(1) for client in clients] == [b"x"] * 60
    close(clients=clients)


@starts_processes
def test_small_message_fits_into_little_room(exchange: Exchange) -> None:
    """Near the limit a message is received as long as its connections fit."""
    with other_side(exchange, limit=64) as receiver:
        clients, passed = connections(5)
        assert exchange.send(pack(passed)[0])
        assert receiver.ask("reserve_fds()") < 64
        assert receiver.ask("len(exchange.receive())") == 5
        assert receiver.ask("exchange.receive()") is None
    close(clients=clients)


@starts_processes
def test_connections_the_kernel_drops_are_counted(exchange: Exchange) -> None:
    """If descriptors run out after all (a thread took them), those that came are kept, the rest counted."""
    with other_side(exchange, limit=40) as receiver:
        clients, passed = connections(64)
        assert exchange.send(pack(passed)[0])
        receiver.do("got = exchange.receive(reserve=-1000)")
        arrived = receiver.ask("[item.data for item in got]")
        assert 0 < len(arrived) < 40
        assert arrived == [str(number).encode() for number in range(len(arrived))]
        assert receiver.ask("exchange.lost") == 64 - len(arrived)
        receiver.do("for item in got: os.write(item.fd, b'x')")
        assert [client.recv(1) for client in clients] == [b"x"] * len(arrived) + [b""] * (64 - len(arrived))
    close(clients=clients)


@starts_processes
def test_limit_is_raised_to_the_hard_one() -> None:
    """The soft limit on descriptors becomes the hard one, once, and what is free is counted."""
    with OtherProcess() as other:
        other.do(f"{IMPORT}\nfrom hotswap.system.fd_limit import raise_nofile_limit")
        other.do("resource.setrlimit(resource.RLIMIT_NOFILE, (100, 500))")
        assert other.ask("raise_nofile_limit()") == 500
        assert other.ask("raise_nofile_limit()") == 500
        assert other.ask("resource.getrlimit(resource.RLIMIT_NOFILE)") == (500, 500)
        free = other.ask("reserve_fds(0)")
        assert 400 < free < 500
        other.do("more = [os.dup(0) for _ in range(10)]")
        assert other.ask("(reserve_fds(0), reserve_fds(), reserve_fds(10000))") == (free - 10, free - 42, 0)


def test_free_descriptors_is_cheap() -> None:
    """It is asked for every message, so it must not count thousands of descriptors one by one."""
    began = time.thread_time()
    for _ in range(1000):
        fd_limit.reserve_fds()
    assert time.thread_time() - began < 1.0
