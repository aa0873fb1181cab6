"""What a predecessor hears from a successor, and what it costs to listen."""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from hotswap.lifecycle.states import Event
from hotswap.restart.attempt import RestartAttempt
from hotswap.restart.program import Program
from hotswap.restart.successor import PIPE_SIZE, Pipes, Successor
from hotswap.system.main_loop import MainLoop
from tests.few_descriptors import leave_free
from tests.live import starts_processes
from tests.processes import ProcessTree, descendants, descriptors


@pytest.fixture
def pipes() -> Pipes:
    return Pipes()


@pytest.fixture
def successor(process_tree: ProcessTree, pipes: Pipes) -> Iterator[Successor]:
    """A process that says nothing; a test writes into its pipes itself."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    successor = Successor(process, pipes)
    yield successor
    successor.close()
    pipes.close_writing_ends()
    process.communicate()


def queued(fd: int) -> int:
    """How many bytes wait in a pipe."""
    (count,) = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))
    return int(count)


def test_one_that_prints_without_end_is_read_a_pipe_at_a_time(successor: Successor, pipes: Pipes) -> None:
    """The main loop has other things to do, and would never come to the end of it."""
    size = fcntl.fcntl(pipes.stderr_write, fcntl.F_SETPIPE_SZ, 4 * PIPE_SIZE)
    os.write(pipes.stderr_write, b"." * size)
    successor.copy_stderr()
    assert queued(pipes.stderr_read) == size - PIPE_SIZE


@pytest.mark.parametrize("free", range(7))
@starts_processes
def test_a_start_that_fails_leaves_nothing_open(free: int, tmp_path: Path) -> None:
    """At the limit every restart fails, and must not make it worse."""
    program = Program(sys.executable, (sys.executable, "-c", "input()"), str(tmp_path), {})

    def handoff(pipes: Pipes, stderr: int) -> tuple[Mapping[str, str], list[int]]:
        return {}, [pipes.ready_write, stderr]

    gc.collect()  # what other tests have left in circles must not go meanwhile
    before = descriptors(os.getpid())
    with leave_free(free), pytest.raises(OSError, match="Too many open files"):
        Successor.start(program, {}, handoff)
    assert descriptors(os.getpid()) == before
    assert not descendants(os.getpid())


class Unheard:
    """Is told of an attempt, and does nothing about it."""

    def on_news(self, event: Event) -> None: ...
    def stage(self, name: str) -> None: ...


def test_one_that_cannot_be_watched_is_ended(successor: Successor) -> None:
    """No process would hear what becomes of it, and it would hold the listeners."""
    loop = MainLoop()
    loop.close()
    with pytest.raises(ValueError, match="closed epoll"):
        RestartAttempt(successor, 2, loop, 60.0, Unheard())
    assert successor.returncode == -signal.SIGKILL
    assert (successor.ready_fd, successor.stderr_fd, successor.pidfd) == (-1, -1, -1)
