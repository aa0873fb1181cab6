"""`hotswap status`: a table for people, JSON for programs."""

from __future__ import annotations

import json

import pytest

from hotswap.commands.status import span
from tests.commands.conftest import Bench


def test_table(bench: Bench) -> None:
    """A line a process, the newest generation first, and the last restart."""
    old = bench.server()
    old.do("begin 2", "end ok 77 2", "state retiring", "update connections=3 requests=120 in_flight=1")
    new = bench.joining(old, 2)
    status, out, err = bench.run("status")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"shop ({bench.run_dir}/shop.board)"
    assert " ".join(lines[1].split()) == "GENERATION PID ROLE STATE UPTIME CONNECTIONS REQUESTS IN FLIGHT"
    assert lines[2].split()[:4] == ["2", str(new.pid), "server", "serving"]
    assert lines[3].split()[:4] == ["1", str(old.pid), "server", "retiring"]
    assert lines[3].split()[-3:] == ["3", "120", "1"]
    assert lines[4].startswith("last restart: ")
    assert " ago, to generation 2, took 0." in lines[4]
    assert len(lines) == 5


def test_last_failure(bench: Bench) -> None:
    """The last failed restart is shown with its age and the end of its text; one under way with its stage."""
    server = bench.server()
    text = r"\n".join(f"line{number}" for number in range(12))
    server.do("begin 2", f"end failed {text}", "begin 2", "stage importing")
    out = bench.run("status", "shop")[1].splitlines()
    assert out[3].startswith("restart under way for ")
    assert out[3].endswith(": importing")
    assert out[4].startswith("last failed restart: ")
    assert out[5:] == [f"    line{number}" for number in range(2, 12)]


def test_json(bench: Bench) -> None:
    """Everything that is known, with ages in seconds."""
    server = bench.server()
    server.do("update connections=3", "begin 2", "pid 77", "end failed no")
    status, out, _ = bench.run("status", "--json")
    (shop,) = json.loads(out)
    assert status == 0
    assert (shop["name"], shop["path"]) == ("shop", f"{bench.run_dir}/shop.board")
    (process,) = shop["processes"]
    assert (process["pid"], process["generation"], process["state"]) == (server.pid, 1, "serving")
    assert (process["connections"], process["role"]) == (3, "server")
    assert 0 <= process["in_state_for"] <= process["uptime"] < 60
    (attempt,) = shop["attempts"]
    assert (attempt["number"], attempt["pid"], attempt["outcome"]) == (1, 77, "failed")
    assert (shop["last_failure"]["attempt"], shop["last_failure"]["text"]) == (1, "no")
    assert 0 <= shop["last_failure"]["age"] < 60


def test_several_servers(bench: Bench) -> None:
    """All are shown, apart; one by its name."""
    bench.server("shop")
    bench.server("blog")
    out = bench.run("status")[1]
    assert sorted(block.split(" ")[0] for block in out.split("\n\n")) == ["blog", "shop"]
    assert bench.run("status", "blog")[1].startswith("blog (")


def test_none(bench: Bench) -> None:
    """Where no server runs, that is said; exit 1. JSON is an empty list."""
    assert bench.run("status") == (
        1,
        "",
        "hotswap status: no server is running here that you may see\n",
    )
    status, out, _ = bench.run("status", "--json")
    assert (status, json.loads(out)) == (1, [])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
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
