"""A restart whose outcome no process will enter, because the one that began it is gone."""

from __future__ import annotations

import json

from tests.commands.conftest import Bench


def test_it_is_shown_as_that(bench: Bench) -> None:
    """As long as it is the last one: not as under way for ever, and with the process that was killed."""
    old = bench.server()
    killed = bench.joining(old, 2)
    killed.do("begin 3", "pid 77", "stage importing")
    assert bench.run("status")[1].splitlines()[-1].startswith("restart under way for ")
    killed.kill()
    last = bench.run("status")[1].splitlines()[-1]
    assert last.startswith("restart without an outcome: begun ")
    assert last.endswith(f" ago, to generation 3, at 'importing' when pid {killed.pid} ended")
    (server,) = json.loads(bench.run("status", "--json")[1])
    assert [attempt["outcome"] for attempt in server["attempts"]] == ["orphaned"]
    old.do("begin 3", "end ok 78 3")
    assert "without an outcome" not in bench.run("status")[1]
