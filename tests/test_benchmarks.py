"""The benchmark says what was measured, and says so when that was wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from benchmarks.apps.answers import HELLO
from benchmarks.apps.counted import Counted
from benchmarks.apps.raw import hello
from benchmarks.apps.tally import Tally, make
from benchmarks.ask import calls, check
from benchmarks.boot_steps import Steps, boot_steps, by_owner
from benchmarks.cpu import cpu_seconds
from benchmarks.errors import BenchmarkError
from benchmarks.load import Load, command, parse
from benchmarks.machine import LOAD_BEFORE
from benchmarks.measure import Reading, complaints, figures
from benchmarks.memory import Memory
from benchmarks.peer import Peer
from benchmarks.peers import PEERS
from benchmarks.plan import plans
from benchmarks.ready import Ready, ready
from benchmarks.reasons import reasons
from benchmarks.report import Report
from benchmarks.results import Figures, Measurement, Row, rows
from benchmarks.target_tables import targets
from benchmarks.targets import Verdict, best_verdicts, cpu_verdicts, unjudged
from benchmarks.workloads import RAW, WORKLOADS, WSGI, Ask, Workload
from tests.harness import ROOT
from tests.live import starts_processes

HELLO_LOAD = Workload("hello", "hello", RAW, (Ask("/hello", HELLO),))
ONE_CALL = tuple(replace(peer, distribution="hotswap") for peer in PEERS if peer.name in ("granian-1", "peregrine-1"))
"""Peers with one thread, as if they were installed."""
QUIET = {LOAD_BEFORE: "0.0"}
FOUND = (
    '{"requests": 1000, "microseconds": 500000, "bytes": 100000, "p50": 1500, "p99": 20000, "errors": '
    '{"connect": 0, "read": 3, "write": 0, "status": 0, "timeout": 0}}'
)


def load(*, requests: int = 1000, bytes: int = 100_000, **errors: int) -> Load:
    return Load(requests, seconds=0.5, bytes=bytes, p50_ms=1.5, p99_ms=20.0, errors=errors)


def measured(
    peer: str, rate: float = 100.0, *, workload: str = "hello", cpu: float = 10.0, p99: float = 1.0, wrong: str = ""
) -> Row:
    return Row(workload, 64, peer, Figures(rate, 1.0, p99, cpu), (wrong,) if wrong else ())


def test_what_wrk_prints_is_read() -> None:
    """The line that wrk.lua writes is found among what wrk prints; errors are those that there were."""
    assert parse(f"Running 1s test\n\nfound {FOUND}\n") == load(read=3)


def test_wrk_that_says_nothing_is_an_error_with_its_words() -> None:
    """What wrk printed instead of figures is in the message."""
    with pytest.raises(BenchmarkError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_wrk_is_told_every_request_of_a_turn() -> None:
    """The mixture goes to wrk as it stands in the table of workloads."""
    mixture = next(one for one in WORKLOADS if one.name == "mixture")
    words = command("127.0.0.1:1", mixture.asks, clients=64)
    assert words[words.index("--") + 1 :] == ["0", "9", "/block?ms=0", "1", "/block?ms=20"]


def test_figures_are_by_calls_for_cpu_and_by_answers_for_requests() -> None:
    """Clients that left before their answer came are in the CPU time, so they are among what it is divided by."""
    found = figures(load(requests=1000), Reading(calls=1250, cpu=0.01), HELLO_LOAD)
    assert (found.requests_per_second, found.cpu_us) == (2000.0, 8.0)


@pytest.mark.parametrize(
    ("found", "counted", "expected"),
    [
        (load(), 1001, []),
        (load(bytes=100_000 + 64 * 100), 1065, []),
        (load(read=3), 1001, ["3 read errors in 1000 requests"]),
        (load(bytes=99_999), 1001, ["1000 answers had 99999 bytes, but the length of one is 100"]),
        (load(bytes=106_401), 1001, ["1000 answers had 106401 bytes, but the length of one is 100"]),
        (load(), 1000, ["999 calls of the application for 1000 answers"]),
        (load(), 1066, ["1065 calls of the application for 1000 answers"]),
    ],
)
def test_what_is_wrong_with_a_measurement(found: Load, counted: int, expected: list[str]) -> None:
    """Errors, answers too short or too long, and answers without a call or calls without an answer are all told."""
    assert complaints(found, Reading(counted, 1.0), HELLO_LOAD, clients=64, lengths=[100]) == expected


def test_medians_are_of_each_figure_and_complaints_stay() -> None:
    """One bad round of three moves no figure; that it was wrong is kept, with its number."""
    found = [Figures(100.0, 3.0, 9.0, 7.0), Figures(300.0, 1.0, 5.0, 8.0), Figures(200.0, 2.0, 50.0, 9.0)]
    texts: list[tuple[str, ...]] = [(), ("bad",), ()]
    measurements = [
        Measurement("hello", 1, "hotswap", number, one, text)
        for number, (one, text) in enumerate(zip(found, texts, strict=True), start=1)
    ]
    assert rows(measurements) == [Row("hello", 1, "hotswap", Figures(200.0, 2.0, 9.0, 8.0), ("round 2: bad",))]


@pytest.mark.parametrize(
    ("ours", "limit", "more", "text"),
    [
        (60.0, 0.6, False, "reached"),
        (54.0, 0.6, False, "reached, 10% to spare"),
        (66.0, 0.6, False, "**missed** by 10%"),
        (100.4, 1.0, False, "reached"),
        (99.6, 1.0, True, "reached"),
        (90.0, 1.0, True, "**missed** by 10%"),
        (110.0, 1.0, True, "reached, 10% to spare"),
        (900.0, 1.0, True, "reached by far"),
        (None, 1.0, True, "**missed**: there were errors"),
    ],
)
def test_a_verdict_says_by_how_much(ours: float | None, limit: float, more: bool, text: str) -> None:
    """Against a peer's 100: at most a share of it, or at least as much; the hundredth counts, less does not."""
    verdict = Verdict("hello", 64, "any", "granian", ours, 100.0, limit, more)
    assert (verdict.text, verdict.reached) == (text, text.startswith("reached"))


def test_the_mark_is_the_best_maintained_peer_without_errors() -> None:
    """Not an abandoned server, not one with one call at a time, not one with errors; p99 is that of the best rate's."""
    found = [
        measured("hotswap", 1000.0, p99=2.0),
        measured("waitress", 500.0, p99=0.1),
        measured("granian", 800.0, p99=4.0),
        measured("gunicorn", 5000.0, wrong="3 read errors"),
        measured("fastwsgi", 9000.0),
        measured("granian-1", 9000.0),
    ]
    assert [(one.figure, one.peer, one.ratio) for one in best_verdicts(found, PEERS)] == [
        ("requests/s", "granian", 1.25),
        ("p99", "granian", 0.5),
    ]


def test_what_was_missed_has_a_reason() -> None:
    """One for all that it holds for; what was reached needs none."""
    missed, reached = (110.0, 100.0, 1.0), (90.0, 100.0, 1.0)
    verdicts = [
        Verdict("hello", 1, "CPU", "granian", *missed),
        Verdict("hello", 64, "CPU", "granian", *reached),
        Verdict("down", 1, "p99", "uwsgi", *missed),
        Verdict("down", 1, "CPU", "uwsgi", *missed),
        Verdict("up", 64, "p99", "uwsgi", *missed),
        Verdict("flask", 64, "p99", "uwsgi", *missed),
    ]
    first, second, third = reasons(verdicts)
    assert first.startswith("- hello, 1 client: With one client")
    assert second.startswith("- down, 1 client; up, 64 clients: A body of 1 MiB")
    assert third.startswith("- flask, 64 clients: no cause is known")
    assert reasons(verdicts[1:2]) == []
    assert all(text.endswith(".") for text in (first, second, third))


def test_our_own_errors_miss_every_target() -> None:
    """There is no ratio, and no target counts as reached."""
    found = [measured("hotswap", 1000.0, wrong="1 status error"), measured("granian", 800.0)]
    verdicts = [*cpu_verdicts(found), *best_verdicts(found, PEERS)]
    assert [(one.ratio, one.reached) for one in verdicts] == [(None, False)] * 3


def test_a_target_names_one_peer() -> None:
    """The same server with other settings has a target of its own, or none."""
    found = [measured("hotswap", cpu=6.0), measured("granian", cpu=10.0), measured("waitress", cpu=10.0)]
    assert [(one.peer, one.ratio, one.limit) for one in cpu_verdicts(found)] == [("granian", 0.6, 0.3)]


def test_the_access_log_is_held_against_hotswap_without_it() -> None:
    """What it costs is a ratio of our own two figures, each with as many clients."""
    found = [
        measured("hotswap", cpu=20.0, workload="logged"),
        measured("hotswap", cpu=10.0),
        Row("hello", 1, "hotswap", Figures(1.0, 1.0, 1.0, 99.0)),
    ]
    assert [(one.workload, one.clients, one.peer, one.ratio, one.reached) for one in cpu_verdicts(found)] == [
        ("logged", 64, "hotswap, hello", 2.0, False)
    ]


def test_what_a_whole_run_could_not_judge_is_named() -> None:
    """A target whose peer had errors, or was not measured, counts as one that is not reached."""
    found = [measured("hotswap", cpu=1.0), measured("granian", cpu=10.0), measured("gunicorn", wrong="1 read errors")]
    missing = unjudged(found, WSGI)
    named = [(one.workload, one.peer) for one in missing]
    assert ("hello", "granian") not in named
    assert {("hello", "gunicorn"), ("hello", "peregrine"), ("logged", "hotswap")} <= set(named)
    text = targets(cpu_verdicts(found), [], missing)
    assert text.startswith(f"## Targets: 1 of {len(missing) + 1} reached\n")
    assert "hello beside gunicorn (at most 0.08)" in text


@starts_processes
def test_all_processes_count_in_one_tally(tmp_path: Path) -> None:
    """Those that are forked after it was opened, each from several threads, and those that open it themselves."""
    path = str(tmp_path / "tally")
    make(path)
    ours = Tally(path)

    def thousand(tally: Tally) -> None:
        for _ in range(1000):
            tally.count()

    def count(tally: Tally) -> None:
        threads = [threading.Thread(target=thousand, args=(tally,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    count(ours)
    for opens in (False, True):
        if (pid := os.fork()) == 0:
            count(Tally(path) if opens else ours)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    count(ours)
    assert ours.total() == 4 * 3000


def test_memory_is_counted_for_all_and_for_a_worker() -> None:
    """The table in the report, in MiB."""
    found = Memory("hotswap", 5, 50 << 20, 30.5 * 2**20, 12.0 * 2**20, 7.25 * 2**20)
    report = Report(plans(["--peers=hotswap"])[0], QUIET, [], [found])
    assert "| hotswap |         5 |     50.0 |          30.5 | 12.0 |     7.2 |" in report.as_markdown()


def test_the_time_to_ready_is_set_against_the_imports() -> None:
    """The table in the report, in milliseconds."""
    found = Ready("Flask", ".", imports=0.2, restart=0.25)
    report = Report(plans(["--peers=hotswap"])[0], QUIET, [], ready=[found])
    assert "| Flask       |           200 |     250 |   50 |  1.25 |" in report.as_markdown()
    assert json.loads(report.as_json())["ready"] == [{"app": "Flask", "checkout": ".", "imports": 0.2, "restart": 0.25}]


@starts_processes
def test_restarts_of_two_versions_in_turn(tmp_path: Path) -> None:
    """Each application is restarted under each version, and what its predecessor noted is taken."""
    (tmp_path / "hotswap").symlink_to(ROOT / "hotswap")
    found = list(ready([ROOT, tmp_path], rounds=1))
    assert [(one.app, one.checkout) for one in found] == [
        (app, checkout) for checkout in (".", str(tmp_path)) for app in ("Flask", "raw WSGI")
    ]
    assert all(one.imports > 0 and one.restart > 0 for one in found)


_TIMED = """\
import time: self [us] | cumulative | imported package
import time:      1000 |       1000 |   encodings
import time:      2000 |       3000 | site
import time:      4000 |       4000 |     flask.app
something else that is said
import time:      8000 |      12000 | hotswap.server
import time:     16000 |      16000 |   gunicorn.config
import time:     32000 |      32000 |   ssl
"""


def test_imports_are_counted_for_whom_they_are() -> None:
    """Those of the interpreter are in its own figure."""
    found = by_owner(_TIMED, ["flask.app"])
    assert found == {"application": 0.004, "hotswap": 0.008, "gunicorn": 0.016, "others": 0.032}


def test_the_steps_of_a_restart_are_all_of_it() -> None:
    """The table in the report, in milliseconds."""
    steps = Steps("Flask", 0.01, 0.02, 0.03, 0.04, 0.05, 0.06)
    report = Report(plans(["--peers=hotswap"])[0], QUIET, [], ready=[Ready("Flask", ".", 0.1, 0.2)], steps=[steps])
    assert "| hotswap's modules                                  |    30 |" in report.as_markdown()
    assert "| all of it                                          |   210 |" in report.as_markdown()


@starts_processes
def test_steps_of_restarts() -> None:
    """Each takes its time, of each application that has it."""
    for steps in boot_steps(rounds=1):
        assert min(steps.interpreter, steps.hotswap, steps.gunicorn, steps.others) > 0
        assert (steps.application > 0) == (steps.app == "Flask")


@starts_processes
def test_cpu_time_of_children_that_have_ended_is_counted() -> None:
    """A server's process that has ended has used its CPU time all the same."""
    burn = "import time\nwhile time.process_time() < 0.2: pass\n"
    program = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", program], start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        used = cpu_seconds(process.pid)
        process.communicate(b"\n")
    assert 0.19 < used < 2.0


@pytest.fixture
def address() -> Iterator[str]:
    """A server of another make that runs `hello`."""

    class Silent(WSGIRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with make_server("127.0.0.1", 0, Counted(hello), handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_answers_are_compared_and_calls_counted(address: str) -> None:
    """A right answer has a length, a wrong one is an error that shows both, and each was a call."""
    assert check(address, Ask("/hello", HELLO)) > len(HELLO)
    with pytest.raises(BenchmarkError, match=r"/hello answered b'Hello, World!\\n' instead of b'Bye\\n'"):
        check(address, Ask("/hello", b"Bye\n"))
    assert calls(address) == 3


def test_what_figures_do_not_say_is_said_in_words() -> None:
    """Which servers have one thread, and which are not here and why."""
    absent = Peer("gale", "gale-server", "", "", needs="a wind")
    wanted = replace(plans(["--wsgi", "--peers=hotswap,granian-1,peregrine-1"])[0], absent=(absent,), peers=ONE_CALL)
    text = Report(wanted, QUIET, []).as_markdown()
    assert "holds all the others up: granian-1, peregrine-1. Their requests/s are no mark" in text
    assert "gale is not measured: gale-server is not installed, which wants a wind." in text


@pytest.mark.needs("wrk", "wrk")
@starts_processes
def test_a_small_run_of_it_all(tmp_path: Path) -> None:
    """hotswap by itself, most kinds of requests for a moment: figures for all of them, and no errors."""
    wsgi, asgi = "hello,mixture,flask,logged,hello-2", "asgi-up,asgi-echo"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--seconds=0.2", "--peers=hotswap,hotswap-uvloop"]
    done = subprocess.run(
        [*command, "--clients=4", f"--only={wsgi},{asgi}", f"--folder={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for file, names in (("results.json", wsgi), ("results_asgi.json", asgi)):
        results = json.loads((tmp_path / file).read_text())
        assert [one["workload"] for one in results["medians"]] == names.split(",")
        for one in results["medians"]:
            assert one["complaints"] == []
            assert one["figures"]["requests_per_second"] > 0
            assert one["figures"]["cpu_us"] > 0
    page = (tmp_path / "benchmarks.md").read_text()
    assert page.index("| 4       | hotswap |") < page.index("## ASGI") < page.index("| 4       | hotswap-uvloop |")
