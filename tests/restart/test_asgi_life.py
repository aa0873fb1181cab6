"""What is true of every server is true of one whose application is ASGI: the very tests of the other.

In single mode, and with workers, all with hotswap's own engine, on the two loops
by turns, which are one to all of this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.harness import Program
from tests.restart import test_cluster_load as test_cluster
from tests.restart import (
    test_debug_reload,
    test_idle_connections,
    test_load,
    test_lost_successor,
    test_metrics,
    test_probation,
    test_rollback,
)

LOOPS = ["asyncio", "uvloop"]

Case = tuple[Callable[..., None], tuple[Any, ...]]

CASES: list[Case] = [
    (test_load.test_restarts_under_load_on_a_unix_socket, ()),
    (test_idle_connections.test_none_is_lost, ()),
    (test_debug_reload.test_a_saved_file_is_a_hot_restart, ({"debug": True},)),
    (test_lost_successor.test_it_dies_as_soon_as_it_serves, ()),
    (test_lost_successor.test_it_is_killed_right_after_the_swap, (0,)),
    (test_lost_successor.test_a_successor_that_is_stopped_at_once_takes_the_server_with_it, ()),
    (test_lost_successor.test_a_connection_with_half_a_head_moves, ()),
    (test_lost_successor.test_idle_connections_of_every_age_move, ()),
    (test_lost_successor.test_an_upload_in_the_middle_is_finished_where_it_began, ()),
    *((test_probation.test_it_dies, (number,)) for number in (0, 2)),
    *((test_probation.test_a_stop_of_either_stops_both, (number, "serving")) for number in (0, 2)),
    *((test_rollback.test_under_load, (number,)) for number in (0, 2)),
    (test_rollback.test_what_runs_is_finished_where_it_began, ()),
    (test_cluster.test_max_requests_closes_nothing, (2,)),
    (test_cluster.test_more_and_fewer_workers_under_load, ()),
    (test_cluster.test_rolling_replacement_by_term, ()),
    (test_cluster.test_kill_9_of_workers_under_load, ()),
    *((test_metrics.test_counters_never_go_back, (number,)) for number in (0, 2)),
]


def _name(case: Case) -> str:
    function, arguments = case
    return "-".join(
        [
            function.__module__.rpartition("_")[2],
            function.__name__[5:],
            *(one for one in map(str, arguments) if one.isalnum()),
        ]
    )


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case", CASES, ids=_name)
def test_as_with_wsgi(program: Program, case: Case) -> None:
    """The name of the other test says what."""
    loop = LOOPS[CASES.index(case) % 2]
    program.deploy(app="asgi", asgi_loop=loop)
    test, arguments = case
    test(program, *arguments)
    assert "startup in" in program.text()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("number", [0, 2, 4], ids=["single", "two", "four"])
def test_thirty_restarts_under_load(program: Program, loop: str, number: int) -> None:
    """The promise: no request fails, and no connection is closed by the server."""
    program.deploy(app="asgi", asgi_loop=loop)
    if number:
        test_cluster.test_thirty_restarts_under_load(program, number)
    else:
        test_load.test_thirty_restarts_under_load(program)
