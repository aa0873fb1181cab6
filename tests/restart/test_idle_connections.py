"""A thousand idle connections over a restart: all are handed to the successor, and it answers on every one."""

from __future__ import annotations

from tests.crowd import Crowd
from tests.harness import Program

MANY = 1000


def test_none_is_lost(program: Program) -> None:
    """Twice, so that connections that were handed over once are handed over again."""
    program.start()
    with Crowd(program.address, MANY) as crowd:
        for version in ("1", "2", "3"):
            assert crowd.ask("/version") == {version.encode(): MANY}
            if version != "3":
                program.deploy(version=str(int(version) + 1))
                program.restart()
                # Until the last one is over, the old generation may still answer.
                program.wait_for(rf"gen={version} pid=\d+ retired")
                assert crowd.stirred() == 0
    program.settle()
