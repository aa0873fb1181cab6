"""What a pipe takes without waiting is written, and no byte more."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hotswap.system.write_now import write_if_writable, write_now

PAGE = 4096
Ends = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Ends]:
    """Its reading end does not block, so that it can be emptied; its writing end does, as standard error."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    yield reading, writing
    os.close(reading)
    os.close(writing)


def leave_room(pipe: Ends, pages: int) -> None:
    """Fill the pipe but for so many pages."""
    reading, writing = pipe
    os.set_blocking(writing, False)
    try:
        while os.write(writing, b"." * PAGE):
            pass
    except BlockingIOError:
        os.set_blocking(writing, True)
    for _ in range(pages):
        os.read(reading, PAGE)


def test_all_that_there_is_room_for(pipe: Ends) -> None:
    """The writer is told how much that was."""
    assert write_now(pipe[1], b"x" * 10_000) == 10_000
    assert os.read(pipe[0], 65536) == b"x" * 10_000
    assert write_now(pipe[1], b"") == 0


@pytest.mark.parametrize("pages", [0, 1, 3])
def test_a_pipe_that_is_almost_full(pipe: Ends, pages: int) -> None:
    """It takes what fits in its free pages, and the writer does not wait for a reader."""
    leave_room(pipe, pages)
    assert write_now(pipe[1], b"x" * 65536) == pages * PAGE


@pytest.mark.parametrize(("pages", "written"), [(0, 0), (1, PAGE)])
def test_where_one_call_cannot_be_told_not_to_wait(pipe: Ends, pages: int, written: int) -> None:
    """It is asked first; a pipe that is writable takes a page."""
    leave_room(pipe, pages)
    assert write_if_writable(pipe[1], b"x" * PAGE) == written


def test_a_pipe_that_has_no_reader() -> None:
    """That is an error, as with write(2)."""
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        write_now(writing, b"x")
    os.close(writing)


def test_a_socket_that_is_not_read() -> None:
    """As systemd's journal gives one for standard error."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        written = write_now(ours.fileno(), b"x" * 10_000_000)
        assert 0 < written < 10_000_000
        assert write_now(ours.fileno(), b"x") == 0


@pytest.mark.parametrize("where", [lambda folder: folder / "log", lambda folder: Path(os.devnull)])
def test_a_file_takes_everything(tmp_path: Path, where: Callable[[Path], Path]) -> None:
    """Also more than a piece."""
    with where(tmp_path).open("wb") as file:
        assert write_now(file.fileno(), b"x" * 100_000) == 100_000
