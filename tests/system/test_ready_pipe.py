"""What a successor says on the ready pipe arrives whole or not at all, and the last lines of an error arrive first."""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotswap.restart.predecessor import Predecessor
from hotswap.restart.ready_lines import ERROR_LIMIT, error_lines, files_lines
from hotswap.restart.successor import Pipes, Successor
from hotswap.system.tail import tail
from tests.harness import ROOT
from tests.processes import ProcessTree

LETTERS = {
    "ascii": "x",
    "two bytes": "é",
    "three bytes": "中",
    "four bytes": "😀",
    "quote": '"',
    "escape sequence": "\x1b",
    "undecodable": "\udc80",
}
PAGE = 4096


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes()
    yield made
    made.close_writing_ends()


@pytest.fixture
def successor(process_tree: ProcessTree, pipes: Pipes) -> Iterator[Successor]:
    """What the predecessor sees; its process says nothing, the test speaks for it."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    made = Successor(process, pipes)
    yield made
    made.close()
    process.communicate()


@pytest.fixture
def predecessor(pipes: Pipes) -> Iterator[Predecessor]:
    """What the successor sees: this process's parent, so that it lives."""
    made = Predecessor(os.getppid(), os.dup(pipes.ready_write))
    yield made
    made.close()


@pytest.mark.parametrize("letter", LETTERS.values(), ids=LETTERS)
def test_a_long_error_arrives(letter: str, successor: Successor, predecessor: Predecessor) -> None:
    """The end of it, as much as a report keeps, whatever its letters, although no process reads meanwhile."""
    text = f"{letter * 40_000}\nthe last line"
    assert predecessor.failed(text)
    error = successor.read_ready().error
    assert error == tail(text, ERROR_LIMIT)
    assert len(error) == ERROR_LIMIT
    assert successor.news.other == []


def test_the_last_lines_are_what_arrives_in_a_small_pipe(
    pipes: Pipes, successor: Successor, predecessor: Predecessor
) -> None:
    """A user that has many pipes gets small ones (pipe(7)). The beginning is lost, and no line is left unfinished."""
    fcntl.fcntl(pipes.ready_write, fcntl.F_SETPIPE_SZ, PAGE)
    lines = [f"line {number}" for number in range(3000)]
    assert predecessor.failed("\n".join(lines))
    error = successor.read_ready().error
    assert 3000 < len(error) < PAGE
    assert error.splitlines()[1:] == lines[1 - len(error.splitlines()) :]
    predecessor.stage("goes on")
    assert successor.read_ready().stage == "goes on"
    assert successor.news.other == []


def test_nothing_is_waited_for(pipes: Pipes, predecessor: Predecessor) -> None:
    """A predecessor that does not read is not told; the one that fails prints its traceback itself."""
    for _ in range(fcntl.fcntl(pipes.ready_write, fcntl.F_GETPIPE_SZ) // PAGE):
        os.write(pipes.ready_write, b"." * PAGE)
    assert not predecessor.failed("no process reads this")
    assert not predecessor.ready()


def test_the_files_of_a_failed_start(successor: Successor, predecessor: Predecessor) -> None:
    """The modules of the program that have been imported."""
    assert predecessor.failed("the error")
    assert str(ROOT / "hotswap" / "__init__.py") in successor.read_ready().files
    assert successor.news.error == "the error"


def test_many_files_come_in_several_lines(pipes: Pipes, successor: Successor) -> None:
    """All are known in the end."""
    files = [f"/srv/{'x' * 90}/{number}.py" for number in range(150)]
    for line in files_lines(files):
        assert os.write(pipes.ready_write, line) <= PAGE
    assert successor.read_ready().files == tuple(files)


def test_an_older_successor_says_all_in_one_line(pipes: Pipes, successor: Successor) -> None:
    """As one of 0.1.0 does, with escapes."""
    os.write(pipes.ready_write, b'{"files": ["a.py", "b.py"]}\n{"error": "\\u4e2d"}\n')
    assert successor.read_ready().error == "中"
    assert successor.news.files == ("a.py", "b.py")


@given(st.text(), st.integers(0, 3))
def test_every_line_of_an_error_is_written_in_one_piece(text: str, times: int) -> None:
    """However long the text, and whatever is in it."""
    lines = list(error_lines(text * 10**times))
    assert all(len(line) <= select.PIPE_BUF and line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    assert [line.startswith(b'{"error"') for line in lines] == [True] + [False] * (len(lines) - 1)


def test_a_file_that_no_line_can_hold_is_left_out() -> None:
    """The others are named."""
    assert list(files_lines(["a.py", "x" * PAGE, "b.py"])) == [b'{"files": ["a.py"]}\n', b'{"files": ["b.py"]}\n']
