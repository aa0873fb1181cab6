"""The control channel: whole messages, with descriptors, and the end of the other side."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

import pytest

from hotswap.system.fd_messages import close_all
from hotswap.workers.channel import TEXT_LIMIT, Channel, Order, WorkerNews

Pair = tuple[Channel, Channel]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Both ends."""
    ours, theirs = Channel.pair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_messages_arrive_whole_and_in_order(pair: Pair) -> None:
    """Each with its facts; none is an empty list."""
    ours, theirs = pair
    assert ours.send(Order.ACCEPT)
    assert ours.send(Order.RETIRE, takes=["127.0.0.1:80"], alone=True)
    assert [(message.what, dict(message.facts)) for message in theirs.receive()] == [
        ("accept", {}),
        ("retire", {"takes": ["127.0.0.1:80"], "alone": True}),
    ]
    assert list(theirs.receive()) == []
    assert not theirs.closed


def test_the_longest_text(pair: Pair) -> None:
    """A traceback of the size that is sent at most, in characters that need most room."""
    ours, theirs = pair
    text = "\N{SNOWMAN}" * TEXT_LIMIT
    assert ours.send(WorkerNews.FAILED, text=text)
    (message,) = theirs.receive()
    assert message.facts["text"] == text


def test_descriptors_travel(pair: Pair) -> None:
    """Close-on-exec; the sender keeps its own."""
    ours, theirs = pair
    read_end, write_end = os.pipe()
    assert ours.send(Order.ADOPT, [write_end], key="k")
    os.close(write_end)
    (message,) = theirs.receive()
    (copy,) = message.fds
    assert fcntl.fcntl(copy, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    os.write(copy, b"x")
    assert os.read(read_end, 1) == b"x"
    close_all([copy, copy, read_end])


def test_the_end_of_the_other_side(pair: Pair) -> None:
    """Known after the last message was read; sending then says no."""
    ours, theirs = pair
    ours.send(WorkerNews.LOADED)
    ours.close()
    assert [message.what for message in theirs.receive()] == ["loaded"]
    assert theirs.closed
    assert not theirs.send(Order.ACCEPT)


def test_the_end_with_messages_unread(pair: Pair) -> None:
    """A reset is an end too."""
    ours, theirs = pair
    theirs.send(Order.ACCEPT)
    ours.close()
    assert list(theirs.receive()) == []
    assert theirs.closed


def test_a_full_channel_does_not_block(pair: Pair) -> None:
    """Sending says no, and what was sent before arrives."""
    ours, theirs = pair
    sent = 0
    while ours.send(WorkerNews.STATUS, connections=1, waiting=0, filling="x" * 1000):
        sent += 1
    assert sum(1 for _ in theirs.receive()) == sent > 10
