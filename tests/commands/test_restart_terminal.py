"""`hotswap restart` on a terminal, in JSON, and without waiting: led step by step by a fake server."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hotswap.cli.terminal import Progress
from tests.commands.conftest import DEADLINE, Bench, Lines

#: What moves the cursor or erases, but for the carriage return that goes with a line's end.
_CONTROL = re.compile(r"\r(?!\n)|\x1b\[K")


class Screen:
    """A command on a pseudo-terminal: what it has written so far."""

    def __init__(self, bench: Bench, *arguments: str, term: str = "xterm") -> None:
        self.master, slave = pty.openpty()
        self.text = ""
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hotswap", *arguments, "--run-dir", bench.run_dir],
                env={**bench.environ, "TERM": term, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"},
                cwd=bench.folder,
                stdin=slave,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
            )
        finally:
            os.close(slave)

    def wait_for(self, words: str) -> None:
        """Read until it has written that."""
        while words not in self.text:
            assert select.select([self.master], [], [], DEADLINE)[0], f"{words!r} did not come, only {self.text!r}"
            assert self._read(), f"{words!r} did not come, only {self.text!r}"

    def finish(self) -> tuple[int, list[str]]:
        """Wait for its end: exit status, and the lines that are left on the screen."""
        while self._read():
            pass
        # Of a line that was written over, what was written last.
        lines = [_CONTROL.split(line)[-1] for line in self.text.replace("\r\n", "\n").split("\n")]
        return self.process.wait(DEADLINE), lines

    def close(self) -> None:
        """End it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE)
        os.close(self.master)

    def _read(self) -> str:
        try:
            data = os.read(self.master, 65536).decode()
        except OSError:  # EIO: no process has it open any more
            data = ""
        self.text += data
        return data


@pytest.fixture
def screens(bench: Bench) -> Iterator[list[Screen]]:
    """What is put in here is closed."""
    made: list[Screen] = []
    yield made
    for screen in made:
        screen.close()


def test_stages_and_a_bar(bench: Bench, screens: list[Screen]) -> None:
    """A line for each stage with its time, the new generation, and how the old one hands over until all has moved."""
    old = bench.server()
    old.do("update connections=4 handed_over=10")
    screens.append(screen := Screen(bench, "restart", "shop"))
    assert old.lines.next() == "SIGHUP"
    screen.wait_for("has the signal …")
    old.do("begin 2", "stage importing")
    screen.wait_for("importing …")
    new = bench.joining(old, 2)
    old.do("state retiring", "update connections=1 handed_over=13 in_flight=1", f"end ok {new.pid} 2")
    screen.wait_for("3 of 4 connections moved, 1 request still runs …")
    old.do("update connections=0 handed_over=14 in_flight=0")
    status, lines = screen.finish()
    assert status == 0
    assert lines[0] == f"restarting shop: generation 1 (pid {old.pid}) serves"
    stages = [found[1] for line in lines[1:-3] if (found := re.fullmatch(r" *\d+\.\d\d s  (.+)", line))]
    assert (stages[0], stages[-1], len(stages)) == (f"pid {old.pid} has the signal", "importing", len(lines) - 4)
    assert lines[-3].startswith(f"generation 2 (pid {new.pid}) serves, after ")
    assert lines[-2:] == ["4 connections moved", ""]
    assert "█" * 18 + "░" * 6 in screen.text


def test_ctrl_c_while_the_predecessor_hands_over(bench: Bench, screens: list[Screen]) -> None:
    """The restart has succeeded: exit 0, and what is left is told."""
    old = bench.server()
    screens.append(screen := Screen(bench, "restart", "shop"))
    assert old.lines.next() == "SIGHUP"
    old.do("state retiring", "update connections=2 in_flight=2", "begin 2", "end ok 77 2")
    screen.wait_for("0 of 2 connections moved, 2 requests still run …")
    screen.process.send_signal(signal.SIGINT)
    status, lines = screen.finish()
    assert (status, lines[-2]) == (0, "0 of 2 connections moved, 2 requests still run")


def test_a_failure_on_a_terminal(bench: Bench, screens: list[Screen]) -> None:
    """The stages stay, and the error and the sentence follow, as anywhere else."""
    server = bench.server()
    screens.append(screen := Screen(bench, "restart", "shop"))
    assert server.lines.next() == "SIGHUP"
    server.do("begin 2", "stage importing")
    screen.wait_for("importing …")
    server.do(r"end failed SyntaxError: broken")
    status, lines = screen.finish()
    assert status == 1
    assert lines[-4].endswith(" s  importing")
    assert lines[-3] == "SyntaxError: broken"
    assert lines[-2].startswith("hotswap restart: the restart failed after ")


def test_a_terminal_that_knows_nothing(bench: Bench, screens: list[Screen]) -> None:
    """Plain lines, as in a pipe."""
    server = bench.server()
    screens.append(screen := Screen(bench, "restart", "shop", term="dumb"))
    assert server.lines.next() == "SIGHUP"
    screen.wait_for("has the signal\r\n")
    server.do("state retiring", "update connections=2", "begin 2", "end ok 77 2")
    status, _ = screen.finish()
    assert status == 0
    assert "\x1b" not in screen.text


def test_json(bench: Bench) -> None:
    """One object, and nothing else, whatever the stages were."""
    server = bench.server()
    server.do("update connections=3")
    command = bench.start("restart", "shop", "--json")
    assert server.lines.next() == "SIGHUP"
    new = bench.joining(server, 2)
    server.do("state retiring", "update connections=1 handed_over=2", "begin 2", f"end ok {new.pid} 2")
    status, out, err = command.finish()
    facts = json.loads(out)
    assert (status, err) == (0, "")
    assert (facts["server"], facts["outcome"], facts["generation"], facts["pid"]) == ("shop", "succeeded", 2, new.pid)
    assert facts["serving"] == {"generation": 2, "pid": new.pid}
    assert (facts["moved"], facts["connections_left"], facts["requests_left"]) == (2, 1, 0)
    assert facts["stages"][0]["stage"] == f"pid {server.pid} has the signal"


def test_json_of_a_failure(bench: Bench) -> None:
    """The error is in the object; exit 1."""
    server = bench.server()
    command = bench.start("restart", "shop", "--json")
    assert server.lines.next() == "SIGHUP"
    server.do("begin 2", r"end failed Traceback:\nSyntaxError: broken")
    status, out, err = command.finish()
    facts = json.loads(out)
    assert (status, err) == (1, "")
    assert (facts["outcome"], facts["error"]) == ("failed", "Traceback:\nSyntaxError: broken")
    assert facts["serving"] == {"generation": 1, "pid": server.pid}
    assert facts["message"].startswith("the restart failed after ")


def test_json_where_no_server_runs(bench: Bench) -> None:
    """Also then there is an object."""
    status, out, err = bench.run("restart", "shop", "--json")
    facts = json.loads(out)
    assert (status, err) == (1, "")
    assert (facts["server"], facts["outcome"]) == ("shop", "no-server")
    assert facts["message"].startswith("no server is running here that you may see")


def test_no_wait(bench: Bench) -> None:
    """The command is over as soon as the server has the signal."""
    server = bench.server()
    status, out, err = bench.run("restart", "--no-wait")
    assert (status, err) == (0, "")
    assert out == f"pid {server.pid} has the signal: see hotswap status for how that goes\n"
    assert server.lines.next() == "SIGHUP"


def test_options_that_make_no_sense_together(bench: Bench) -> None:
    """A starter is replaced in a moment."""
    status, _, err = bench.run("restart", "--starter", "--json")
    assert status == 2
    assert "--starter is over in a moment" in err


def test_a_line_that_is_too_long_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second line could not be erased."""
    monkeypatch.setenv("COLUMNS", "10")
    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(theirs, "w") as terminal:
        progress = Progress(terminal)
        progress.line("0123456789abc")
        progress.line("0123456789abc")
        progress.done()
        terminal.write("\n")
        terminal.flush()
        assert Lines(ours).next() == "\r\x1b[K012345678\r\x1b[K\r"
    os.close(ours)
