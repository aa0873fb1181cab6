"""`on_event=CMD`: the steps of a server's life, as a command is told of them."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import Program

RECORD = 'echo "$HOTSWAP_GENERATION $HOTSWAP_EVENT" >> events'


def events(program: Program) -> list[str]:
    """What was recorded."""
    path = program.folder / "events"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("settings", [{}, {"workers": 1}, {"stable_pid": "on"}])
def test_each_step(program: Program, settings: dict[str, Any]) -> None:
    """In order, in each generation; the last ones too, for which the process that leaves waits a little."""
    program.start(on_event=RECORD, **settings)
    program.restart()
    program.stop()
    began = ["starting", "begin", "ready"]
    expected = {
        "1": [*began, "restarting", "retiring", "stopped"],
        "2": [*began, "draining", "stopped"],
    }
    assert {
        number: [line.partition(" ")[2] for line in events(program) if line.startswith(number)] for number in "12"
    } == expected


def test_the_facts(program: Program) -> None:
    """Which generation of which server, and why a restart has failed, whatever is in the text."""
    program.start(on_event='env > $HOTSWAP_EVENT.env; printf %s "$HOTSWAP_REASON" > reason', name="shop")
    program.write(program.script, "raise RuntimeError('$HOME `id`')")
    assert hotswap(program, "restart", "shop").returncode == 1
    eventually(lambda: (program.folder / "reason").read_text().rstrip().endswith("RuntimeError: $HOME `id`"))
    found = (program.folder / "restart_failed.env").read_text()
    for line in (
        "HOTSWAP_EVENT=restart_failed",
        "HOTSWAP_GENERATION=1",
        f"HOTSWAP_PID={program.pid}",
        "HOTSWAP_NAME=shop",
        f"HOTSWAP_ADDRESS={program.url}",
        f"HOTSWAP_DIRECTORY={program.folder}",
        f"HOTSWAP_RELEASE={program.folder.resolve()}",
    ):
        assert f"{line}\n" in found
    assert program.stop() == 0
    assert (program.folder / "reason").read_text() == "stopped"


def test_it_fails(program: Program) -> None:
    """The log says so, and nothing else comes of it."""
    program.start(on_event='test "$HOTSWAP_EVENT" != ready || exit 3')
    program.wait_for("WARNING. gen=1 .*on_event at 'ready' exited with status 3: test ")
    assert program.get("/version").status == 200
    assert program.stop() == 0


def test_it_hangs(program: Program) -> None:
    """Neither requests nor signals wait for it; the process that leaves waits five seconds, and ends it."""
    program.start(on_event='test "$HOTSWAP_EVENT" != ready || exec sleep 1000')
    assert program.get("/version").status == 200
    program.send(signal.SIGUSR1)
    program.wait_for("log files reopened")
    assert program.stop() == 0
    assert "on_event at 'ready' is ended, because this generation leaves" in program.text()


def test_a_command_that_is_none(program: Program) -> None:
    """A sentence."""
    (program.folder / "app.py").write_text("")
    command = hotswap(program, "run", "app:app", "--on-event", " ")
    assert command.returncode == 1
    assert "on_event cannot be ' ' (command line): not a command" in command.stderr
