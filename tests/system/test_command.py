"""A shell command in the background: what it has of us, and how it is ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswap.system.command import BackgroundCommand
from tests.eventually import eventually
from tests.live import starts_processes
from tests.processes import alive

pytestmark = starts_processes


@pytest.fixture
def hostile() -> Iterator[None]:
    """Signals that are blocked and ignored here, as in a server under nohup that is about to leave."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGTERM)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGINT])
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_what_it_begins_with(tmp_path: Path, hostile: None) -> None:
    """No descriptor but the standard ones, no signal blocked or ignored, a session of its own, and the environment."""
    with open(tmp_path / "ours", "w"):
        # Of what the shell starts: the shell itself blocks signals while it forks.
        script = f"cd {tmp_path}; ls /proc/self/fd > fds; cat /proc/self/status > status; echo $FACT > fact"
        command = BackgroundCommand(script, {"FACT": "é", "PATH": os.defpath})
        assert command.wait(20)
    assert command.reap() == ""
    # ls has the directory open.
    assert (tmp_path / "fds").read_text().split() == ["0", "1", "2", "3"]
    status = dict(line.split(":\t", 1) for line in (tmp_path / "status").read_text().splitlines())
    # Less the two that the C library keeps for itself (nptl(7)).
    ours = sum(1 << (number - 1) for number in signal.valid_signals())
    assert int(status["SigBlk"], 16) & ours == int(status["SigIgn"], 16) & ours == 0
    assert int(status["NSsid"]) == command.pid
    assert (tmp_path / "fact").read_text() == "é\n"


@pytest.mark.parametrize(
    ("script", "wrong"),
    [("exit 0", ""), ("exit 3", "exited with status 3"), ("kill -USR1 $$", "was killed by SIGUSR1"),
     ("/no/such/command 2>/dev/null", "exited with status 127")],
)  # fmt: skip
def test_how_it_ends(script: str, wrong: str) -> None:
    """Only what is wrong is told; nothing of it is left."""
    command = BackgroundCommand(script, {"PATH": os.defpath})
    assert command.wait(20)
    assert command.reap() == wrong
    assert not alive(command.pid)


def test_it_is_ended_with_what_it_has_started(tmp_path: Path) -> None:
    """The whole group."""
    os.mkfifo(tmp_path / "child")
    command = BackgroundCommand(f"sleep 1000 & echo $! > {tmp_path}/child; wait", {"PATH": os.defpath})
    child = int((tmp_path / "child").read_text())
    assert not command.wait(0)
    command.end(signal.SIGKILL)
    assert command.wait(20)
    assert command.reap() == "was killed by SIGKILL"
    eventually(lambda: not alive(child), "what it has started still runs")


def test_it_was_reaped_by_the_program() -> None:
    """Which waits for all children, or has the kernel do it: nothing can be told, and nothing is signalled."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        command = BackgroundCommand("exit 3", {"PATH": os.defpath})
        assert command.wait(20)
        command.end(signal.SIGKILL)
        assert command.reap() == ""
    finally:
        signal.signal(signal.SIGCHLD, before)
