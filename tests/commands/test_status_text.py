"""The text of `hotswap status`, made of facts: no process, no board."""

from __future__ import annotations

from typing import Any

import pytest

from hotswap.cli.server_facts import deployment_facts, failure_facts, generation_facts, process_facts, serving_facts
from hotswap.cli.status_text import as_text, deployed, headline, span, table
from hotswap.cli.watching import frame
from hotswap.scoreboard import Attempt, Deployment, SlotView
from hotswap.scoreboard.tally import OF_GENERATION

NOW = 1_795_671_225.0
SHOP: dict[str, Any] = {
    "name": "shop",
    "path": "/run/hotswap/shop.board",
    "started": NOW - 90_000,
    "generation": 3,
    "pid": 77,
    "version": "0.1.0",
    "directory": "/srv/current",
    "release": "/srv/releases/7",
    "serving_since": NOW - 724,
    "addresses": ["http://127.0.0.1:4242", "unix:/run/admin"],
    "requests": 120,
    "errors": 3,
    "generations": [],
    "processes": [],
    "attempts": [],
    "last_failure": None,
}


def view(generation: int, pid: int, role: str = "server", state: str = "serving", **counters: Any) -> SlotView:
    """A process on the board."""
    return SlotView(pid, pid, generation, role, state, NOW - 60, NOW - 30, pid, **counters)


def done_by(generation: int, attempt: int) -> dict[str, int]:
    """The tallies: generation 2 has answered 9 requests, 2 of them with errors."""
    nothing = dict.fromkeys(OF_GENERATION, 0)
    return nothing | {"requests": 9, "server_errors": 2} if generation == 2 else nothing


def test_headline() -> None:
    """Which generation serves, where, and for how long."""
    line = headline(SHOP, NOW)
    assert line.startswith("shop: generation 3 serves at http://127.0.0.1:4242, unix:/run/admin since 2")
    assert line.endswith(" (12 min 4 s)")
    assert headline(SHOP | {"generation": None}, NOW) == "shop: no generation serves"


def test_what_an_older_release_does_not_write_is_left_out() -> None:
    """The rest is shown as ever."""
    old = SHOP | deployment_facts(None) | {"path": None}
    assert headline(old, NOW) == "shop: generation 3 serves"
    assert list(deployed(old, NOW)) == [
        "  hotswap    server started 1 d 1 h ago",
        "  requests   120, and 3 of them errors (5xx), in all generations",
        "  board      no file",
    ]


def test_release() -> None:
    """The release is what the directory led to; where there is no link in it, the directory is enough."""
    assert list(deployed(SHOP, NOW)) == [
        "  release    /srv/releases/7 (/srv/current)",
        "  hotswap    0.1.0, server started 1 d 1 h ago",
        "  requests   120, and 3 of them errors (5xx), in all generations",
        "  board      /run/hotswap/shop.board",
    ]
    plain = SHOP | {"directory": "/srv/shop", "release": "/srv/shop"}
    assert next(deployed(plain, NOW)) == "  directory  /srv/shop"
    assert next(deployed(plain | {"release": ""}, NOW)) == "  directory  /srv/shop"


def test_generations_are_summed() -> None:
    """What all processes of a generation have counted; its state is that of its server process."""
    views = [
        view(2, 20),
        view(2, 21, "worker", requests=5, connections=2, in_flight=1, adopted=4),
        view(2, 22, "worker", requests=7, connections=1, handed_over=3),
        view(1, 10, state="retiring", requests=100),
    ]
    young, old = generation_facts(views, done_by)
    assert (young["generation"], young["pid"], young["state"], young["workers"]) == (2, 20, "serving", 2)
    assert (young["connections"], young["in_flight"]) == (3, 1)
    assert (young["handed_over"], young["adopted"]) == (3, 4)
    assert (old["generation"], old["pid"], old["state"], old["workers"]) == (1, 10, "retiring", 0)


def test_what_a_generation_has_done() -> None:
    """Also by processes that have ended; where the board has no tallies, by those that are there."""
    views = [view(2, 20), view(2, 21, "worker", requests=5, errors=1), view(1, 10, requests=100, errors=7)]
    young, old = generation_facts(views, done_by)
    assert (young["requests"], young["errors"]) == (9, 2)
    assert (old["requests"], old["errors"]) == (100, 7)


def test_the_line_of_a_server_process_has_the_sums() -> None:
    """Of its generation: it answers nothing itself. A worker has its own, also where the server process is gone."""
    views = [view(2, 20), view(2, 21, "worker", requests=5), view(1, 11, "worker", requests=3)]
    server = {"processes": [process_facts(each) for each in views], "generations": generation_facts(views, done_by)}
    assert [line.split()[1] for line in table(server)[1:]] == ["20", "21", "11"]
    assert [line.split()[-3:-1] for line in table(server)[1:]] == [["9", "2"], ["5", "0"], ["3", "0"]]


def test_which_serves() -> None:
    """The youngest of several; none while all leave."""
    both = [view(2, 20), view(1, 10, state="handing-over")]
    assert serving_facts(both) == {"generation": 2, "pid": 20}
    assert serving_facts([view(1, 10, state="draining")]) == {"generation": None, "pid": None}


def attempt(number: int, outcome: str) -> Attempt:
    """An attempt that has ended."""
    return Attempt(number, 1, 2, outcome=outcome)


@pytest.mark.parametrize(
    ("failed", "outcomes", "shown"),
    [
        (0, [], False),
        (1, ["failed"], True),
        (1, ["failed", "ok"], False),
        (2, ["ok", "failed"], True),
        (2, ["ok", "failed", ""], True),
        (1, ["failed", "failed"], True),
    ],
)
def test_an_old_failure_is_dropped(failed: int, outcomes: list[str], shown: bool) -> None:
    """Once a later restart has succeeded, and not before; one under way has not."""
    attempts = [attempt(number, outcome) for number, outcome in enumerate(outcomes, start=1)]
    assert (failure_facts(failed, "no", attempts) is not None) is shown


def test_a_failure_that_has_left_the_ring() -> None:
    """It is shown without its age, unless a restart has succeeded since."""
    assert failure_facts(3, "no", [attempt(20, "failed")]) == {"attempt": 3, "age": None, "text": "no"}
    assert failure_facts(3, "no", [attempt(20, "ok")]) is None


def test_deployment() -> None:
    """What was deployed stands beside the rest."""
    facts = deployment_facts(Deployment(3, NOW, "0.1.0", "/srv/current", "/srv/releases/7", ("unix:/run/a",)))
    assert facts["addresses"] == ["unix:/run/a"]
    assert (facts["version"], facts["directory"], facts["release"]) == ("0.1.0", "/srv/current", "/srv/releases/7")
    assert facts["serving_since"] == NOW
    assert facts.keys() == deployment_facts(None).keys()


def test_a_restart_under_way() -> None:
    """Its stage is shown, and an orphaned one is told."""
    running = {"outcome": "", "age": 3.0, "stage": "importing"}
    assert as_text(SHOP | {"attempts": [running]}, NOW).splitlines()[-1] == "restart under way for 3 s: importing"
    orphaned = {"outcome": "orphaned", "age": 3.0, "stage": "importing", "generation": 4, "by": 77}
    assert as_text(SHOP | {"attempts": [orphaned]}, NOW).splitlines()[-1] == (
        "restart without an outcome: begun 3 s ago, to generation 4, at 'importing' when pid 77 ended"
    )


def test_frame() -> None:
    """A screen is drawn line by line over the one before; what does not fit is left out, and nothing steers it."""
    drawn = frame("one\ntwo\x1b[2J is long\nthree\nfour", 8, 4)
    assert drawn == "\x1b[Hone\x1b[K\ntwo\\x1b[\x1b[K\nthree\x1b[K\n\x1b[J"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.9, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (7380, "2 h 3 min"),
        (86400 * 5 + 3700, "5 d 1 h"),
    ],
)
def test_span(seconds: float, text: str) -> None:
    """A duration is told by its two largest units."""
    assert span(seconds) == text
