"""The log of real servers: each line one object if that is wanted, none twice, and what a developer is shown."""

from __future__ import annotations

import json
import re
import signal
from typing import Any

import pytest

from tests import asking
from tests.asking import connect, request
from tests.commanding import hotswap
from tests.harness import ROOT, Program
from tests.restart.gates import wait_at
from tests.terminals import Terminal

RUN = ("-m", "hotswap", "run", "app:app", "-b", "unix:s.sock", "--access-logfile", "-")
STARTER = ["-w", "1", "--stable-pid", "on"]
READY = r'"gen": \d+, "pid": (\d+), "event": "ready", "text": "serving at '


def run(program: Program, *arguments: str, ready: str = "serving at") -> int:
    """`hotswap run` at a unix socket; waits until it serves, and gives its pid."""
    program.start(command=[program.python, *RUN, *arguments], ready=False)
    program.wait_for(ready)
    return program.pid


def get(program: Program, path: str) -> int:
    """The status of the answer."""
    return asking.get(f"unix:{program.folder}/s.sock", path).status


def objects(program: Program) -> list[dict[str, Any]]:
    """The whole log; fails at a line that is no object, or not a line of the log."""
    found = [json.loads(line) for line in program.text().splitlines()]
    for each in found:
        assert list(each)[:6] == ["time", "level", "gen", "pid", "event", "text"], each
    return found


@pytest.mark.parametrize("arguments", [["-w", "0"], ["-w", "1", "--no-preload"], STARTER])
def test_every_line_is_an_object(program: Program, arguments: list[str]) -> None:
    """Requests and their errors, a deploy that fails, one that works, and the stop."""
    pid = run(program, "--log-format", "json", *arguments, ready=READY)
    assert get(program, "/echo/%C3%A9?a=1") == 200
    assert get(program, "/fail/x") == 500
    program.deploy(text="raise RuntimeError('broken')")
    assert hotswap(program, "restart", str(pid)).returncode == 1
    program.deploy(app="plain")
    assert hotswap(program, "restart", str(pid)).returncode == 0
    assert hotswap(program, "stop", "unix:s.sock").returncode == 0
    program.wait_gone(program.pid)
    found = objects(program)
    steps = [each["event"] for each in found if each["gen"] == 1 and each["event"] not in ("log", "stopped")]
    assert steps == ["starting", "ready", "access", "access", "restarting", "restart_failed", "restarting", "retiring"]
    (failed,) = [each for each in found if each["event"] == "restart_failed"]
    assert failed["text"].endswith("RuntimeError: broken")
    (error,) = [each for each in found if "traceback" in each]
    assert error["traceback"].endswith("RuntimeError: asked to fail: x")
    requests = [(each["method"], each["path"], each["status"]) for each in found if each["event"] == "access"]
    assert requests == [("GET", "/echo/\u00c3\u00a9", 200), ("GET", "/fail/x", 500)]


def test_what_a_start_prints_that_fails(program: Program) -> None:
    """It stands in the object that says so, and nowhere else; what one prints that serves is printed when it does."""
    program.start(log_format="json", ready=False)
    program.wait_for(READY)
    program.deploy(text="import sys\nprint('printed', file=sys.stderr)\nraise RuntimeError('broken')")
    assert hotswap(program, "restart", str(program.pid)).returncode == 1
    (failed,) = [each for each in objects(program) if each["event"] == "restart_failed"]
    assert re.search("(?s)printed\n.*RuntimeError: broken$", failed["text"])
    program.deploy(app="plain", above="early.says_an_error")
    assert hotswap(program, "restart", str(program.pid)).returncode == 0
    program.wait_for("(?m)^not that bad\n")


def test_what_nobody_catches_is_an_object(program: Program) -> None:
    """In a thread of the application's, at a start that fails, and when serve() has returned."""
    program.start(below="sayings.thread_fails", last="sayings.fails", log_format="json", ready=False)
    program.wait_for(READY)
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 1
    program.start(address="192.0.2.1:1", ready=False)
    assert program.wait_status() == 1
    texts = [line for line in program.text().splitlines() if not line.startswith("serve() returned")]
    errors = [each for each in map(json.loads, texts) if each["event"] == "uncaught"]
    assert [each["text"].partition(" for ")[0] for each in errors] == [
        "uncaught in thread fails: ValueError: in a thread",
        "uncaught: ValueError: at the end",
        "uncaught: BindError: cannot bind 192.0.2.1:1 (no address of this machine): use one of its addresses, or :PORT",
    ]
    assert all(each["traceback"].startswith("Traceback") for each in errors)


def test_json_and_a_configuration_of_logging(program: Program) -> None:
    """They say two things; how to have both is in the sentence."""
    (program.folder / "gunicorn.conf.py").write_text("logconfig_dict = {'version': 1}")
    program.start(command=[program.python, *RUN, "--log-format", "json"], ready=False)
    program.wait_for(
        "log_format cannot be json where logconfig_dict says how the log is written: leave one of them out"
    )
    assert program.wait_status() == 1


CONFIGURED = """
formatter = {"format": "gen %(gen)s event %(event)s: %(message)s"}
json = {"()": "hotswap.log.json_lines.JsonLines"}
logconfig_dict = {"version": 1, "formatters": {"generic": formatter, "json": json}}
"""


def test_no_line_twice(program: Program) -> None:
    """Not where gunicorn's defaults for logconfig_dict let two loggers write; not what a successor tells as well."""
    (program.folder / "gunicorn.conf.py").write_text(CONFIGURED)
    pid = run(program)
    assert get(program, "/echo/once") == 200
    program.deploy(text="raise RuntimeError('broken')")
    assert hotswap(program, "restart", str(pid)).returncode == 1
    program.send(signal.SIGTERM, pid)
    assert program.wait_status() == 0
    said = program.text()
    assert len(re.findall("gen 1 event ready: .* serving at ", said)) == 1
    assert len(re.findall("gen 1 event access: .*GET /echo/once", said)) == 1
    assert said.count("RuntimeError: broken") == 1


def test_the_first_line(program: Program) -> None:
    """Version, lane, address, mode, workers and directory, by its link too."""
    release = program.folder / "release"
    (program.folder / "current").symlink_to(release)
    Program(release).deploy()
    command = [program.python, "-m", "hotswap", "run", "app:app", "-b", "127.0.0.1:0", "-w", "2", "--threads", "1"]
    program.start(command=command, folder=program.folder / "current")
    first = program.text().splitlines()[0]
    assert first.endswith(f"/current ({release})")
    assert re.search(
        r"gen=1 pid=\d+ hotswap [\d.]+ \(gunicorn [\d.]+, lane: (C|Python)\) for http://127.0.0.1:\d+: "
        r"2 workers with up to 1 thread each, in /",
        first,
    )
    assert program.stop() == 0


def test_a_developer_at_a_terminal(program: Program) -> None:
    """debug=True shows requests and how to quit; Ctrl-C says what a second one does."""
    with Terminal(program) as terminal:
        terminal.serve(debug=True, exclude_patterns=[f"{ROOT}/*"])
        terminal.shows("Press Ctrl-C to quit")
        assert program.get("/echo/shown").status == 200
        terminal.shows(r'127\.0\.0\.1 .*"GET /echo/shown HTTP/1\.1" 200')
        with connect(program.address) as client:
            client.sendall(request("/gated/never"))
            wait_at(program, "never")
            terminal.type("\x03")
            terminal.shows("SIGINT: stopping when what runs is finished; Ctrl-C again to cut requests")
            terminal.type("\x03")
            assert terminal.status() == 0
        assert "cut GET /gated/never" in program.text()
