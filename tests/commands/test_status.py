"""`hotswap status`: a table for people, JSON for programs."""

from __future__ import annotations

import json
import signal

import pytest

from tests.commands.conftest import Bench


def test_table(bench: Bench) -> None:
    """A line a process, the newest generation first, and the last restart."""
    old = bench.server()
    new = bench.joining(old, 2)
    old.do("begin 2", "end ok 77 2", "state retiring", "update connections=3 requests=120 errors=7 in_flight=1")
    status, out, err = bench.run("status")
    assert (status, err) == (0, "")
    head, hotswap, requests, board, *lines = out.splitlines()
    assert head == "shop: generation 2 serves"
    assert hotswap.startswith("  hotswap    server started ")
    assert requests == "  requests   120, and 7 of them errors (5xx), in all generations"
    assert board == f"  board      {bench.run_dir}/shop.board"
    assert " ".join(lines[0].split()) == "GENERATION PID ROLE STATE UPTIME CONNECTIONS REQUESTS ERRORS IN FLIGHT"
    assert lines[1].split()[:4] == ["2", str(new.pid), "server", "serving"]
    assert lines[2].split()[:4] == ["1", str(old.pid), "server", "retiring"]
    assert lines[2].split()[-4:] == ["3", "120", "7", "1"]
    assert lines[3].startswith("last restart: ")
    assert " ago, to generation 2, took 0." in lines[3]
    assert len(lines) == 4


def test_last_failure(bench: Bench) -> None:
    """The last failed restart is shown with its age, and the beginning and the end of its text; one under way with its
    stage."""
    server = bench.server()
    text = r"\n".join(f"line{number}" for number in range(12))
    server.do("begin 2", f"end failed {text}", "begin 2", "stage importing")
    out = bench.run("status", "shop")[1].splitlines()
    assert out[6].startswith("restart under way for ")
    assert out[6].endswith(": importing")
    assert out[7].startswith("last failed restart: ")
    assert out[8:] == [f"    {line}" for line in text.replace("line3", "…").split(r"\n")]


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


def test_older_release(bench: Bench) -> None:
    """What was deployed before is not taken for what serves, where that is a release that does not say."""
    old = bench.server()
    old.do("deployed 1")
    (before,) = json.loads(bench.run("status", "--json")[1])
    assert (before["version"], before["release"], before["serving_since"]) == ("9.9", "/srv/r1", 1.0)
    bench.joining(old, 2)
    (after,) = json.loads(bench.run("status", "--json")[1])
    assert after["generation"] == 2
    assert {after[name] for name in ("version", "directory", "release", "serving_since")} == {None}
    assert after["addresses"] == []
    assert bench.run("status")[1].startswith("shop: generation 2 serves\n")


def test_several_servers(bench: Bench) -> None:
    """All are shown, apart; one by its name."""
    bench.server("shop")
    bench.server("blog")
    out = bench.run("status")[1]
    assert sorted(block.split(":")[0] for block in out.split("\n\n")) == ["blog", "shop"]
    assert bench.run("status", "blog")[1].startswith("blog: ")


def test_several_of_one_name(bench: Bench) -> None:
    """All of them are shown; by its pid one is."""
    first, second = bench.server("shop"), bench.server("shop")
    bench.server("blog")
    pids = {server["pid"] for server in json.loads(bench.run("status", "shop", "--json")[1])}
    assert pids == {first.pid, second.pid}
    (one,) = json.loads(bench.run("status", str(second.pid), "--json")[1])
    assert one["pid"] == second.pid


def test_names(bench: Bench) -> None:
    """For completion, and for loops of a shell: each once, and nothing else."""
    for name in ("shop", "blog", "shop"):
        bench.server(name)
    assert bench.run("status", "--names") == (0, "blog\nshop\n", "")


def test_watch(bench: Bench) -> None:
    """Every look is shown, also when the server has gone, until Ctrl-C, which is no failure."""
    server = bench.server()
    command = bench.start("status", "shop", "--json", "--watch", "--every", "0.1")
    (shop,) = json.loads(command.lines.next())
    assert (shop["name"], shop["generation"]) == ("shop", 1)
    server.kill()
    while (line := command.lines.next()) != "[]":
        assert json.loads(line)[0]["name"] == "shop"
    command.process.send_signal(signal.SIGINT)
    status, _, err = command.finish()
    assert (status, err) == (0, "")


@pytest.mark.parametrize("every", ["0", "0.05", "nan", "4000", "often"])
def test_watching_is_bounded(bench: Bench, every: str) -> None:
    """A look costs something, so not more than ten a second; what is no number of seconds is refused."""
    status, _, err = bench.run("status", "--watch", "--every", every)
    assert status == 2
    assert "--every" in err


def test_a_name_does_not_steer_the_terminal(bench: Bench) -> None:
    """The board may be another user's: control characters in what it says are shown, not sent."""
    bench.server("shop\x1b[2J\x9b31m\r")
    out = bench.run("status")[1]
    assert out.startswith("shop\\x1b[2J\\x9b31m\\x0d: ")
    assert not {"\x1b", "\x9b", "\r"} & {*out}


def test_none(bench: Bench) -> None:
    """Where no server runs, that is said, and where it was looked for; exit 1. JSON is an empty list."""
    assert bench.run("status") == (
        1,
        "",
        f"hotswap status: no server is running here that you may see (looked in {bench.run_dir})\n",
    )
    status, out, _ = bench.run("status", "--json")
    assert (status, json.loads(out)) == (1, [])
