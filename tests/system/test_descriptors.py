"""Descriptor numbers: what one is, and listeners that move to 3 and on without closing other code's descriptors."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotswap.system.addresses import parse
from hotswap.system.listeners import bind, move_fd, place
from tests.live import starts_processes
from tests.system.listening import refusal, run

FREE_FROM = 200  # above what pytest has open


def test_what_does_not_listen_is_not_adopted() -> None:
    """A mistaken number is named for what it is, and stays open: it is other code's."""
    with contextlib.ExitStack() as stack:
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).fileno()
        silent = stack.enter_context(socket.socket()).fileno()
        packets = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)).fileno()
        netlink = stack.enter_context(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)).fileno()
        file = stack.enter_context(tempfile.TemporaryFile()).fileno()
        reading, writing = os.pipe()
        stack.callback(os.close, writing)
        stack.callback(os.close, reading)
        faults = {
            udp: "is a datagram socket",
            silent: "is a socket that does not listen",
            packets: "is not a stream socket",
            netlink: "is a socket, but neither of TCP nor of unix",
            file: "is a regular file, not a socket",
            reading: "is a pipe, not a socket",
        }
        for fd, fault in faults.items():
            assert str(refusal(f"fd://{fd}")) == (
                f"cannot bind fd://{fd} (file descriptor {fd} {fault}): pass a listening stream socket"
            )
            os.fstat(fd)


# A child that has the descriptors argv[1:] open as something else, binds three listeners and places them.
PLACED = """
import os, sys
from hotswap.system.addresses import parse
from hotswap.system.listeners import bind, place
null = os.open(os.devnull, os.O_RDONLY)
foreign = [int(number) for number in sys.argv[1:]]
for number in foreign:
    os.dup2(null, number)
if null not in foreign:
    os.close(null)
listeners = [bind(parse("127.0.0.1:0"), str(index), backlog=1) for index in range(3)]
place(listeners)
assert all(os.path.samestat(os.stat(os.devnull), os.fstat(number)) for number in foreign)
print([listener.fileno() for listener in listeners])
"""


@pytest.mark.parametrize(
    ("foreign", "numbers"),
    [
        ([], "[3, 4, 5]"),
        ([3], "[7, 4, 5]"),
        ([4], "[3, 7, 5]"),
        ([3, 4, 5], "[6, 7, 8]"),
        ([7], "[3, 4, 5]"),
    ],
)
@starts_processes
def test_listeners_stand_from_descriptor_3_on(foreign: list[int], numbers: str) -> None:
    """They get the numbers that an operator expects, except one that other code has: that is left alone."""
    assert run(PLACED, *map(str, foreign)) == [numbers]


@given(st.permutations(range(4)), st.sets(st.integers(0, 5)))
def test_place_moves_as_far_as_numbers_are_free(order: list[int], foreign: set[int]) -> None:
    """In whatever order they come, whatever others hold: each gets its number, or one that was free."""
    with contextlib.ExitStack() as stack:
        null = os.open(os.devnull, os.O_RDONLY)
        stack.callback(os.close, null)
        for offset in foreign:
            fd = fcntl.fcntl(null, fcntl.F_DUPFD_CLOEXEC, FREE_FROM + offset)
            assert fd == FREE_FROM + offset
            stack.callback(os.close, fd)
        listeners = []
        for index in range(4):
            listener = bind(parse("127.0.0.1:0"), str(index), backlog=1)
            listeners.append(listener)
            stack.callback(listener.close)
        place(listeners, FREE_FROM)
        inodes = {listener.key: os.fstat(listener.fileno()).st_ino for listener in listeners}
        moved = [listeners[index] for index in order]
        place(moved, FREE_FROM)
        for wanted, listener in enumerate(moved, FREE_FROM):
            assert (listener.fileno() == wanted) is (wanted - FREE_FROM not in foreign)
            assert os.fstat(listener.fileno()).st_ino == inodes[listener.key]
        for offset in foreign:
            assert stat.S_ISCHR(os.fstat(FREE_FROM + offset).st_mode)


def test_move_fd_takes_a_free_number_and_leaves_a_taken_one() -> None:
    """The descriptor has the wanted number, or the one it had; nothing else is closed or opened."""
    reading, writing = os.pipe()
    try:
        assert move_fd(reading, reading) == reading
        assert move_fd(reading, writing) == reading
        reading = move_fd(reading, FREE_FROM)
        assert reading == FREE_FROM
        assert not os.get_inheritable(reading)
        os.write(writing, b"x")
        assert os.read(reading, 1) == b"x"
    finally:
        os.close(reading)
        os.close(writing)


def test_move_fd_beyond_the_limit_leaves_it() -> None:
    """No number is left there: the listener serves from where it stands."""
    fd = os.open(os.devnull, os.O_RDONLY)
    try:
        assert move_fd(fd, os.sysconf("SC_OPEN_MAX")) == fd
    finally:
        os.close(fd)


def test_move_fd_of_a_closed_descriptor_is_an_error() -> None:
    """A number that is not open is the caller's mistake, not a detail."""
    with pytest.raises(OSError, match="Bad file descriptor"):
        move_fd(FREE_FROM, FREE_FROM + 1)
