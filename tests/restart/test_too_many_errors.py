"""A version that answers with too many errors is taken back by itself; one that is as its predecessor was is not."""

from __future__ import annotations

from tests.commanding import hotswap
from tests.harness import Program
from tests.restart.parking import LONG, MODES, PAUSES, park
from tests.traffic import Result, Traffic

CLIENTS = {"keep-alive": 4, "one-shot": 2}


def assert_only_its_errors(result: Result) -> None:
    """Clients have met its answers, and nothing else: nothing is lost with a version that is taken back."""
    assert set().union(*result.failures.values()) <= {"bad_status"}, result
    assert result.closed_by_server == 0, result


@MODES
def test_one_error_in_five(program: Program, number: int) -> None:
    """`hotswap restart` waits, and says why; so do log, status and the callback; the old version serves."""
    program.start(probation=LONG, probation_max_errors=0.05, workers=number, below="sayings.ways_back")
    program.deploy(version="2", below=["sayings.ways_back", ("faults.answers_500_to_one_in", 5)])
    with Traffic(program.address, CLIENTS, seconds=60, pauses=PAUSES) as traffic:
        command = hotswap(program, "restart", "--timeout", "30")
        assert command.returncode == 1, command.stdout + command.stderr
        traffic.wait(0.2)
    result = traffic.result()
    assert_only_its_errors(result)
    assert "2" in result.versions
    reason = r"generation 2 \(pid \d+\) was taken back: \d+ of its \d+ answers were server errors"
    assert "answers were server errors" in command.stderr
    assert f"generation 1 (pid {program.pid}) serves" in command.stderr
    program.wait_for(f"gen=1 .*restart failed, generation 1 serves on: {reason}")
    program.wait_for(f"1 heard: {reason}")
    # Once in the log, and once in what the application prints.
    assert program.text().count("answers were server errors") == 2
    assert "answers were server errors" in hotswap(program, "status").stdout
    assert program.get("/version").body == b"1"


@MODES
def test_as_many_as_its_predecessor(program: Program, number: int) -> None:
    """It stands its probation, and `hotswap restart` says that; asked for by the command, for this restart alone."""
    program.start(probation_max_errors=0.05, workers=number, below=("faults.answers_500_to_one_in", 5))
    program.deploy(version="2")
    with Traffic(program.address, CLIENTS, seconds=60, pauses=PAUSES) as traffic:
        # Its predecessor's last minute.
        traffic.wait(1.0)
        command = hotswap(program, "restart", "--probation", "2.5")
        assert command.returncode == 0, command.stderr
    assert_only_its_errors(traffic.result())
    assert "on probation for 2.5 s" in command.stdout
    assert "s, and its probation is over" in command.stdout
    assert "taken back" not in program.text()
    assert program.get("/version").headers["x-generation"] == "2"


def test_unavailable_is_no_error(program: Program) -> None:
    """501 and 503 say that the application knows what it does."""
    program.start(probation_max_errors=0.05, text=UNAVAILABLE, probation=2.2)
    with Traffic(program.address, {"keep-alive": 4}, seconds=60, pauses=PAUSES):
        command = hotswap(program, "restart")
    assert command.returncode == 0, command.stderr


def test_a_probation_for_one_restart(program: Program) -> None:
    """The next one is as the settings say; and 0 is none, whatever they say."""
    program.start(probation=LONG)
    assert hotswap(program, "restart", "--probation", "0").returncode == 0
    assert "on probation" not in program.text()
    park(program)
    assert "on probation for 600 s" in program.text()


UNAVAILABLE = """
from itertools import count

import hotswap

SETTINGS = {}
asked = count()


def app(environ, start_response):
    status = ["503 Service Unavailable", "501 Not Implemented", "200 OK"][next(asked) % 3]
    start_response(status, [("Content-Length", "2")])
    return [b"ok"]


hotswap.serve(app, "127.0.0.1:0", **SETTINGS)
"""
