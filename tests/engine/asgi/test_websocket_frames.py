"""What messages in many pieces cost: the memory of their content, and no more."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from hotswap.engine.asgi.websocket_frames import WebsocketFrames
from tests.engine.asgi.test_websockets import frame

_BINARY, _TEXT, _CONT = 2, 1, 0
_FIELDS = [
    (b"host", b"test"),
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    (b"sec-websocket-version", b"13"),
]


@pytest.fixture
def frames() -> WebsocketFrames:
    """An open websocket."""
    made = WebsocketFrames(_FIELDS, max_size=1 << 24, deflate=False)
    made.accept()
    return made


@pytest.fixture
def grown() -> Iterator[Callable[[], int]]:
    """How many bytes are allocated that were not when the test began."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    yield lambda: tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()


@pytest.mark.parametrize("opcode", [_BINARY, _TEXT])
@pytest.mark.parametrize("piece", [b"", b"ab"])
def test_many_pieces(frames: WebsocketFrames, grown: Callable[[], int], opcode: int, piece: bytes) -> None:
    """Empty ones cost nothing: `max_size` would never end them."""
    many = frame(_CONT, piece, fin=False) * 1000
    assert frames.feed(frame(opcode, fin=False)) == []
    for _ in range(10):
        assert frames.feed(many) == []
    assert grown() < 50_000 + 8 * 10_000 * len(piece)
    whole = piece * 10_000 + b"\r\nend"
    assert frames.feed(frame(_CONT, b"\r\nend")) == [whole if opcode == _BINARY else whole.decode()]


@pytest.mark.parametrize("opcode", [_BINARY, _TEXT])
def test_a_message_that_was_taken_is_forgotten(frames: WebsocketFrames, grown: Callable[[], int], opcode: int) -> None:
    """An idle websocket does not hold the last one that has come (the library does hold the last frame)."""
    size, pieces = 60_000, 20
    for number in range(pieces):
        came = frames.feed(frame(_CONT if number else opcode, bytes(size), fin=number == pieces - 1))
    assert len(came[0]) == size * pieces
    del came
    assert grown() < 2 * size
