"""`hotswap stop`: every process that serves is told, until none does."""

from __future__ import annotations

import signal

import pytest

from hotswap.cli.stop import signal_for
from hotswap.scoreboard import SlotView
from tests.commands.conftest import Bench


def test_stop(bench: Bench) -> None:
    """The server gets one SIGTERM, drains and goes; exit 0."""
    server = bench.server()
    command = bench.start("stop")
    assert server.lines.next() == "SIGTERM"
    assert command.lines.next() == f"stopping shop: generation 1 (pid {server.pid}) serving"
    server.do("state draining")
    assert command.lines.next() == f"stopping shop: generation 1 (pid {server.pid}) draining"
    server.do("leave")
    status, out, err = command.finish()
    assert (status, err) == (0, "")
    assert out.startswith("shop is stopped, after ")


def test_a_successor_that_takes_over_is_stopped_too(bench: Bench) -> None:
    """A SIGTERM in the middle of a swap makes the old one retire: then the new one is told."""
    old = bench.server()
    old.do("state handing-over")
    command = bench.start("stop", "shop")
    assert old.lines.next() == "SIGTERM"
    new = bench.joining(old, 2)
    assert new.lines.next() == "SIGTERM"
    old.do("state retiring", "leave")
    new.do("state draining", "leave")
    assert command.finish()[0] == 0


def test_who_serves_again_is_told_again(bench: Bench) -> None:
    """A server that retired and took over again, because its successor died, must not be forgotten."""
    server = bench.server()
    command = bench.start("stop", "shop")
    assert server.lines.next() == "SIGTERM"
    server.do("state draining", "state serving")
    assert server.lines.next() == "SIGTERM"
    server.do("leave")
    assert command.finish()[0] == 0


def test_a_booting_one_is_waited_for(bench: Bench) -> None:
    """A successor that boots alone is told when it serves: before that, SIGTERM would just kill it."""
    server = bench.server()
    server.do("state booting")
    command = bench.start("stop", "shop")
    assert command.lines.next().endswith("booting")
    server.do("state serving")
    assert server.lines.next() == "SIGTERM"
    server.do("leave")
    assert command.finish()[0] == 0


def test_a_retiring_one_is_not_waited_for(bench: Bench) -> None:
    """What a replaced generation still has to finish is said, and does not hold the command up."""
    old = bench.server()
    old.do("state retiring")
    new = bench.joining(old, 2)
    command = bench.start("stop", "shop")
    assert new.lines.next() == "SIGTERM"
    new.do("leave")
    status, out, _ = command.finish()
    assert status == 0
    assert out.endswith(f"replaced earlier, and still finishing: generation 1 (pid {old.pid}) retiring\n")


def test_timeout(bench: Bench) -> None:
    """With a --timeout that is over, the command says what is left; exit 1."""
    server = bench.server()
    status, _, err = bench.run("stop", str(server.pid), "--timeout", "0.2")
    assert status == 1
    assert err == (
        f"hotswap stop: not waited for any longer, the stop goes on (generation 1 (pid {server.pid}) serving)\n"
    )


def test_interrupt(bench: Bench) -> None:
    """Ctrl-C ends the waiting, not the stop; exit 130."""
    server = bench.server()
    command = bench.start("stop", str(server.pid))
    assert server.lines.next() == "SIGTERM"
    assert command.lines.next().startswith("stopping shop")
    command.process.send_signal(signal.SIGINT)
    status, _, err = command.finish()
    assert (status, err) == (130, "hotswap stop: not waited for, the stop goes on: see hotswap status\n")


@pytest.mark.parametrize("state", ["serving", "restarting", "draining", "retiring"])
def test_now(bench: Bench, state: str) -> None:
    """Who serves or leaves is told to end what runs; exit 0 when it is gone."""
    server = bench.server()
    server.do(f"state {state}")
    command = bench.start("stop", "shop", "--now")
    assert server.lines.next() == "SIGQUIT"
    server.do("leave")
    status, out, err = command.finish()
    assert (status, err) == (0, "")
    assert out.splitlines()[-1].startswith("shop is stopped, after ")


def test_now_is_for_every_generation(bench: Bench) -> None:
    """One that boots has no handlers yet, and is told when it serves; those that retire come last."""
    old = bench.server()
    old.do("state retiring")
    new, booting = bench.joining(old, 2), bench.joining(old, 3)
    booting.do("state booting")
    command = bench.start("stop", "shop", "--now")
    assert new.lines.next() == "SIGQUIT"
    new.do("leave")
    booting.do("state serving")
    assert booting.lines.next() == "SIGQUIT"
    # Nothing has come to it by now, or its answer would be another line.
    old.do("update requests=1")
    booting.do("leave")
    assert old.lines.next() == "SIGQUIT"
    old.do("leave")
    assert command.finish()[0] == 0


def a_process(role: str, state: str) -> SlotView:
    """A slot."""
    return SlotView(0, 77, 1, role, state, 0.0, 0.0, 77)


@pytest.mark.parametrize(
    ("role", "state", "politely", "at_once"),
    [
        ("server", "booting", None, None),
        ("server", "serving", signal.SIGTERM, signal.SIGQUIT),
        ("server", "restarting", signal.SIGTERM, signal.SIGQUIT),
        ("server", "handing-over", signal.SIGTERM, signal.SIGQUIT),
        ("server", "retiring", None, signal.SIGQUIT),
        ("server", "parked", None, signal.SIGQUIT),
        ("server", "draining", None, signal.SIGQUIT),
        ("server", "lingering", None, None),
        ("worker", "serving", None, None),
        ("worker", "retiring", None, None),
        ("worker", "draining", None, None),
    ],
)
def test_signals(role: str, state: str, politely: signal.Signals | None, at_once: signal.Signals | None) -> None:
    """Each state has its signal, or none; workers are told by their server process."""
    view = a_process(role, state)
    assert (signal_for(view, 1.0, now=False), signal_for(view, 1.0, now=True)) == (politely, at_once)


def test_a_program_has_a_moment_after_serve() -> None:
    """Its atexit handlers mostly take less; one that hangs is ended, but only by --now."""
    view = a_process("server", "lingering")
    assert signal_for(view, 1.9, now=True) is None
    assert signal_for(view, 2.1, now=True) is signal.SIGTERM
    assert signal_for(view, 9000.0, now=False) is None
