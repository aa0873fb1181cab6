"""Idle connections over a restart: all are handed to the successor, and it answers on every one."""

from __future__ import annotations

import pytest

from tests.asking import connect, read_answer, request
from tests.harness import ROOT, Program
from tests.many_connections import ManyConnections

CLOSING = ROOT / "tests" / "apps" / "closing.py"
MANY = 1000
FEW = 20


def test_none_is_lost(program: Program) -> None:
    """A thousand; twice, so that connections that were handed over once are handed over again."""
    program.start()
    with ManyConnections(program.address, MANY) as clients:
        for version in ("1", "2", "3"):
            assert clients.get("/version") == {version.encode(): MANY}
            if version != "3":
                program.deploy(version=str(int(version) + 1))
                program.restart()
                # Until the last one is over, the old generation may still answer.
                program.wait_for(rf"gen={version} pid=\d+ retired")
                assert clients.readable() == 0
    program.settle()


@pytest.mark.parametrize("workers", [0, 1])
def test_one_that_its_application_has_closed_holds_up_no_other(program: Program, workers: int) -> None:
    """The others are handed over, and the old generation goes at once instead of at the end of retire_timeout."""
    program.start(text=CLOSING.read_text(), workers=workers)
    with ManyConnections(program.address, FEW) as clients, connect(program.address) as bad:
        assert clients.get("/version") == {b"1": FEW}
        bad.sendall(request("/keep"))
        assert read_answer(bad).status == 200
        clients.socks[0].sendall(request("/close"))
        assert read_answer(clients.socks[0]).status == 200
        program.deploy(version="2")
        program.restart()
        program.wait_for(r"gen=1 pid=\d+ retired")
        assert clients.get("/version") == {b"2": FEW}
        assert bad.recv(1) == b""
    assert "1 connections cannot be handed over (Bad file descriptor): closed" in program.text()
    program.stop()
