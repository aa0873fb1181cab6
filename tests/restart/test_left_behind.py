"""What a generation that leaves must not be stuck with: connections, processor time, an unreadable scoreboard."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from hotswap.scoreboard.layout import LAYOUT
from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.harness import ROOT, Program
from tests.processes import descriptors
from tests.restart.gates import open_gate, refused, wait_at


def wait_for_the_listener_to_go(program: Program, pid: int) -> None:
    """Wait until the process has closed the listener that its predecessor or successor has, too."""
    listener = descriptors(program.serving_pid)[3]
    eventually(lambda: listener not in descriptors(pid).values(), "the listener is not let go")


def test_a_request_that_outlives_the_successor(program: Program) -> None:
    """Its connection has no process to move to any more: it is answered and closed, long before retire_timeout."""
    program.start()
    with connect(program.address) as client:
        client.sendall(request("/gated/late"))
        wait_at(program, "late")
        program.restart()
        wait_for_the_listener_to_go(program, program.pid)
        successor = program.serving_pid
        program.send(signal.SIGTERM, successor)
        program.wait_gone(successor)
        open_gate(program, "late")
        assert b"generation=1 " in read_answer(client).body
        assert client.recv(1) == b""
    assert program.wait_status() == 0


def cpu(pid: int) -> float:
    """The processor time that a process has used (seconds)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


HALF = b"GET /half HTTP/1.1\r\nHost: localhost\r\n"
LARGE = HALF + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 8000) for number in range(9))


@pytest.mark.parametrize(
    ("number", "head"), [(signal.SIGTERM, HALF), (signal.SIGHUP, LARGE)], ids=["draining", "retiring"]
)
def test_half_a_head_that_cannot_move(program: Program, number: signal.Signals, head: bytes) -> None:
    """A process that leaves waits for the other half without polling for it all the time."""
    program.start()
    with connect(program.address) as client, connect(program.address) as busy:
        client.sendall(head)
        busy.sendall(request("/slow/2"))
        program.wait_for("slow 2 began")
        program.send(number)
        program.wait_for("draining: no new|serves: retiring")
        before = cpu(program.pid)
        assert b"waited 2" in read_answer(busy).body
        assert cpu(program.pid) - before < 0.4


def test_a_successor_with_another_scoreboard(program: Program) -> None:
    """An upgrade may bring one that the other cannot read: the predecessor goes all the same, as soon as it may."""
    newer = program.folder / "newer"
    shutil.copytree(ROOT / "hotswap", newer / "hotswap", ignore=shutil.ignore_patterns("__pycache__"))
    layout = newer / "hotswap" / "scoreboard" / "layout.py"
    text, line = layout.read_text(), f"LAYOUT: Final = {LAYOUT}\n"
    assert line in text
    layout.write_text(text.replace(line, f"LAYOUT: Final = {LAYOUT + 1}\n"))
    program.start()
    program.deploy(above=("paths.first", str(newer)))
    program.restart()
    program.wait_gone(program.pid)
    assert program.get("/").headers["x-generation"] == "2"
    # It has made one of its own, and that is handed on.
    program.restart()
    program.settle()
    assert program.stop() == 0


def test_standard_error_is_closed(program: Program) -> None:
    """Nothing of ours takes its number, which a restart writes to and closes: connections move as always."""
    command = ["sh", "-c", 'exec "$0" "$1" 2>&-', program.python, str(program.script)]
    program.start(command=command, errorlog=str(program.log))
    with connect(program.address) as client:
        for generation in (1, 2, 3):
            client.sendall(request("/echo/x"))
            assert read_answer(client).headers["x-generation"] == str(generation)
            assert descriptors(program.serving_pid)[2] == os.devnull
            if generation < 3:
                program.restart()
                program.settle()


def test_signals_after_serve(program: Program) -> None:
    """Late ones that were meant for the server do not kill what a retired program still does."""
    program.start(last="gates.after_serve")
    program.restart()
    wait_at(program, "after serve")
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTERM):
        program.send(number, program.pid)
    open_gate(program, "after serve")
    assert program.wait_status() == 0
    assert "the end" in program.text()


def test_a_slow_callback_does_not_hold_the_port(program: Program) -> None:
    """A client that connects while "draining" is called back is refused at once, and finds another server."""
    program.start(below="gates.draining")
    program.send(signal.SIGTERM)
    wait_at(program, "callback")
    assert refused(program)
    open_gate(program, "callback")
    assert program.wait_status() == 0
