"""`hotswap restart`: which process it signals, what it shows, and what its exit status says."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hotswap.cli.terminal import Progress
from tests.commands.conftest import Bench, Command, Lines, Server
from tests.eventually import eventually

Restarting = Callable[..., tuple[Server, Command]]


def test_success(restarting: Restarting) -> None:
    """The stages are shown, one a line, from when the successor has a pid; then the new generation with its pid and the
    time taken; exit 0."""
    server, command = restarting()
    assert command.lines.next() == f"pid {server.pid} has the signal"
    server.do("begin 2", "pid 4711")
    assert command.lines.next() == "generation 2 (pid 4711): starting"
    server.do("stage importing")
    assert command.lines.next() == "generation 2 (pid 4711): importing"
    server.do("end ok 4711 2")
    status, out, err = command.finish()
    assert (status, err) == (0, "")
    assert out.startswith("generation 2 (pid 4711) serves, after ")
    assert out.endswith(" s\n")


@pytest.mark.parametrize(("wished", "told"), [("30", ", without a probation: one of the"), ("0", "")])
def test_a_probation_that_is_not_known(restarting: Restarting, wished: str, told: str) -> None:
    """The way back that was asked for is not there: that is said."""
    server, command = restarting("--probation", wished)
    server.do("begin 2", "end ok 4711 2")
    status, out, _ = command.finish()
    assert status == 0
    assert re.search(rf"^generation 2 \(pid 4711\) serves, after [\d.]+ s{told}", out, re.M)
    assert ("without" in out) == bool(told)


@pytest.mark.parametrize("state", ["booting", "retiring"])
def test_it_serves_in_a_moment(bench: Bench, state: str) -> None:
    """It boots, or its successor has died just now: the signal waits for that."""
    server = bench.server()
    server.do(f"state {state}")
    command = bench.start("restart", "shop")
    # It looks at the scoreboard then.
    eventually(lambda: server.path in {os.path.realpath(fd) for fd in Path(f"/proc/{command.pid}/fd").iterdir()})
    server.do("state serving")
    assert server.lines.next() == "SIGHUP"
    server.do("begin 2", "end ok 77 2")
    assert command.finish()[0] == 0


def test_it_serves_and_dies(bench: Bench, restarting: Restarting) -> None:
    """What became ready is gone when the command looks once more: that is said, and which version serves; exit 1."""
    server, command = restarting()
    successor = bench.joining(server, 2)
    server.do("begin 2")
    command.process.send_signal(signal.SIGSTOP)
    server.do(f"end ok {successor.pid} 2")
    successor.kill()
    command.process.send_signal(signal.SIGCONT)
    status, _, err = command.finish()
    assert status == 1
    assert err.startswith(f"hotswap restart: generation 2 (pid {successor.pid}) served, after ")
    assert err.endswith(f" s, and has ended since: see the log; generation 1 (pid {server.pid}) serves\n")


def test_failure(restarting: Restarting) -> None:
    """The new version's error is printed, and which version serves on; exit 1."""
    server, command = restarting()
    server.do("begin 2", r"end failed Traceback:\nSyntaxError: broken")
    status, _, err = command.finish()
    assert status == 1
    assert err.startswith("Traceback:\nSyntaxError: broken\nhotswap restart: the restart failed after ")
    assert err.endswith(f"; generation 1 (pid {server.pid}) serves\n")


def test_an_attempt_that_began_before_is_not_ours(bench: Bench) -> None:
    """A restart under way may run what was there before the deploy: the one after it is waited for."""
    server = bench.server()
    server.do("state restarting", "begin 2")
    command = bench.start("restart", "shop")
    assert server.lines.next() == "SIGHUP"
    assert command.lines.next() == f"pid {server.pid} has the signal"
    server.do("end failed the old one", "begin 2", "pid 7")
    assert command.lines.next() == "generation 2 (pid 7): starting"
    server.do("end ok 7 2")
    assert command.finish()[0] == 0


def test_an_older_failure_is_not_told(restarting: Restarting) -> None:
    """A failure without words does not show another attempt's words."""
    server, command = restarting()
    server.do("begin 2", "end failed")
    status, _, err = command.finish()
    assert status == 1
    assert err.startswith("hotswap restart: the restart failed")


def test_the_predecessor_dies_while_the_successor_boots(bench: Bench, restarting: Restarting) -> None:
    """No process is left that could say how it went: exit 1, with the process that serves now."""
    server, command = restarting()
    assert command.lines.next().startswith("pid")
    server.do("begin 2", "pid 77")
    assert command.lines.next().startswith("generation 2")
    successor = bench.joining(server, 2)
    server.kill()
    status, _, err = command.finish()
    assert status == 1
    assert f"pid {server.pid} ended while its successor was booting; generation 2" in err
    assert f"(pid {successor.pid}) serves" in err


def test_the_server_dies(restarting: Restarting) -> None:
    """A server that is killed before it begins: exit 1, and no process serves."""
    server, command = restarting()
    server.kill()
    status, _, err = command.finish()
    assert (status, err) == (
        1,
        f"hotswap restart: pid {server.pid} was stopped before it began the restart; no process serves\n",
    )


def test_the_server_is_stopped(restarting: Restarting) -> None:
    """A server that drains begins no restart."""
    server, command = restarting()
    server.do("state draining")
    status, _, err = command.finish()
    assert status == 1
    assert "was stopped before it began the restart; no process serves" in err


def test_the_signal_is_passed_on(bench: Bench, restarting: Restarting) -> None:
    """A server that retires hands the signal to its successor, whose attempt is then the one that counts."""
    server, command = restarting(state="handing-over")
    successor = bench.joining(server, 2)
    server.do("state retiring", "leave")
    successor.do("begin 3", "end ok 77 3")
    status, out, _ = command.finish()
    assert status == 0
    assert "generation 3 (pid 77) serves" in out


def test_timeout(restarting: Restarting) -> None:
    """With a --timeout that is over, the command says how far the restart is, that it goes on, and where its end will
    be told; exit 3."""
    server, command = restarting("--timeout", "0.2")
    status, _, err = command.finish()
    assert status == 3
    assert f"the restart goes on (pid {server.pid} has the signal): hotswap status tells how it ends; gen" in err


def test_timeout_during_the_attempt(restarting: Restarting) -> None:
    """The same once the successor boots."""
    server, command = restarting("--timeout", "1")
    server.do("begin 2")
    status, _, err = command.finish()
    assert status == 3
    assert "the restart goes on (generation 2: starting): hotswap status tells how it ends; generation 1" in err


def test_interrupt(restarting: Restarting) -> None:
    """Ctrl-C ends the waiting, not the restart; exit 130."""
    _, command = restarting()
    assert command.lines.next().startswith("pid")
    command.process.send_signal(signal.SIGINT)
    status, _, err = command.finish()
    assert (status, err) == (
        130,
        "hotswap restart: not waited for, the restart goes on: see hotswap status\n",
    )


@pytest.mark.parametrize("state", ["booting", "draining", "retiring"])
def test_who_does_not_serve_is_not_signalled(bench: Bench, state: str) -> None:
    """There is no process to restart; the one that is there gets no signal."""
    server = bench.server()
    server.do(f"state {state}")
    status, _, err = bench.run("restart", str(server.pid))
    assert (status, err) == (
        1,
        "hotswap restart: no process serves as shop that could be restarted: see hotswap status\n",
    )
    server.do("state serving")


def test_a_pid_that_is_no_server_is_not_signalled(bench: Bench) -> None:
    """The default action of SIGHUP would end the process: it lives on, and the message names it."""
    reader, writer = os.pipe()
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=reader)
    try:
        status, _, err = bench.run("restart", str(bystander.pid))
        assert (status, err) == (1, f"hotswap restart: pid {bystander.pid} is not a hotswap server\n")
        assert bystander.poll() is None
        os.write(writer, b"\n")
        assert bystander.wait(15) == 0
    finally:
        os.close(reader)
        os.close(writer)


def test_the_newest_generation_is_signalled(bench: Bench) -> None:
    """While two serve, the successor is asked; its predecessor hears nothing."""
    old = bench.server()
    old.do("state handing-over")
    new = bench.joining(old, 2)
    command = bench.start("restart", "shop")
    assert new.lines.next() == "SIGHUP"
    new.do("begin 3", "end ok 5 3")
    assert command.finish()[0] == 0
    old.do("state retiring")


def test_on_a_terminal_the_line_changes() -> None:
    """A terminal shows one line that is rewritten, and nothing of it in the end."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        progress = Progress(terminal)
        progress.step("importing", 0.1)
        progress.step("importing", 0.2)
        progress.done()
        terminal.write("over\n")
        terminal.flush()
        shown = Lines(ours).next()
    os.close(ours)
    assert shown == "\r\x1b[Kimporting … 0.1 s\r\x1b[Kimporting … 0.2 s\r\x1b[Kover\r"
