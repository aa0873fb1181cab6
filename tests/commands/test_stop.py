"""`hotswap stop`: whoever serves is told until nobody does."""

from __future__ import annotations

import signal

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
    """Who does not want to wait longer is told what is left; exit 1."""
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
