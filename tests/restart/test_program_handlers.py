"""The program's own handlers of SIGTERM and SIGINT: each is called once, when the last request is done."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.asking import connect, read_answer, request
from tests.harness import Program
from tests.restart.gates import open_gate, wait_at
from tests.restart.gunicorns import Gunicorn

WARNING = r'handler of SIGTERM \(.*\) is called once, when the last request is done; .* hotswap\.on\("draining"\)'


def calls(program: Program) -> list[str]:
    return [line.strip() for line in program.text().splitlines() if line.startswith("handler of ")]


def called(number: signal.Signals, pid: int) -> str:
    return f"handler of {number.name} in {pid} on the main thread, frame True"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_waits_for_what_runs(program: Program, number: signal.Signals) -> None:
    """The answer goes out first; `sys.exit` in it ends the handler, and not the program."""
    program.start(below="handlers.exits")
    program.wait_for(WARNING)
    with connect(program.address) as client:
        client.sendall(request("/gated/go"))
        wait_at(program, "go")
        # The warning has the word, too.
        mark = program.mark()
        program.send(number)
        program.wait_for("draining", since=mark)
        program.send(signal.SIGTERM)
        program.wait_for("already leaving")
        assert not calls(program)
        open_gate(program, "go")
        assert read_answer(client).status == 200
    assert program.wait_status() == 0
    assert called(number, program.pid) in calls(program)
    assert "serve() returned stopped" in program.text()


def test_only_that_of_a_signal_that_came(program: Program) -> None:
    """Where both have one, Ctrl-C calls that of SIGINT alone."""
    program.start(below="handlers.exits")
    assert program.stop(signal.SIGINT) == 0
    assert calls(program) == [called(signal.SIGINT, program.pid)]


def test_a_generation_that_retires_calls_it_too(program: Program) -> None:
    """When its last request is done, each in its own process."""
    program.start(below="handlers.exits")
    with connect(program.address) as client:
        client.sendall(request("/gated/go"))
        wait_at(program, "go")
        program.restart()
        assert not calls(program)
        open_gate(program, "go")
        assert read_answer(client).status == 200
    assert program.wait_status() == 0
    assert calls(program) == [called(signal.SIGTERM, program.pid)]
    second = program.serving_pid
    program.stop()
    assert calls(program)[1:] == [called(signal.SIGTERM, second)]


def test_signals_meanwhile(program: Program) -> None:
    """TERM is tolerated, and calls it no second time; one handler of two signals is called once."""
    program.start(below="handlers.at_a_gate")
    program.send(signal.SIGTERM)
    wait_at(program, "handler")
    program.send(signal.SIGTERM)
    open_gate(program, "handler")
    assert program.wait_status() == 0
    assert calls(program) == [called(signal.SIGTERM, program.pid)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_one_that_hangs_is_interrupted(program: Program, number: signal.Signals) -> None:
    """By the signals that end everything else by force."""
    program.start(below="handlers.hangs")
    program.send(signal.SIGTERM)
    program.wait_for("hanging")
    program.send(number)
    assert program.wait_status() == 0
    assert "was interrupted" in program.text()
    assert "serve() returned stopped" in program.text()


def test_one_that_hangs_has_a_limit(program: Program) -> None:
    """As long as what runs has, and at least a second."""
    program.start(below="handlers.hangs", graceful_timeout=0)
    assert program.stop() == 0
    assert "was interrupted" in program.text()


def test_one_that_fails(program: Program) -> None:
    """It is logged, and serve() returns."""
    program.start(below="handlers.raises")
    assert program.stop() == 0
    assert "LookupError: the pool is gone" in program.text()
    assert "serve() returned stopped" in program.text()


@pytest.mark.parametrize(("step", "status"), [("ends_the_process", 5), ("kills_the_process", -signal.SIGTERM)])
def test_one_that_ends_the_process(program: Program, step: str, status: int) -> None:
    """All that others see of the server is gone by then, and the status is the handler's."""
    program.start(below=f"handlers.{step}", address=["127.0.0.1:0", "unix:s"], pidfile="app.pid")
    run = program.folder / "run" / "hotswap"
    assert files(run)
    assert program.stop() == status
    assert not files(run)
    assert not (program.folder / "s").exists()
    assert not (program.folder / "app.pid").exists()


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_what_is_no_handler_of_the_program(program: Program) -> None:
    """Python's own for SIGINT, and an ignored signal: nothing is said of them, and nothing called."""
    program.start(below="handlers.none")
    assert program.stop() == 0
    assert "own handler" not in program.text()


def test_with_workers_it_is_the_server_process_that_calls(program: Program) -> None:
    """The workers, which are forked from it, have left before."""
    program.start(below="handlers.exits", workers=2)
    assert program.get("/").status == 200
    assert program.stop() == 0
    assert calls(program) == [called(signal.SIGTERM, program.pid)]


def test_hotswap_run(program: Program) -> None:
    """The application is imported before the server takes the signals."""
    program.deploy(below="handlers.exits")
    program.start(command=[program.python, "-m", "hotswap", "run", "app:app", "-b", "127.0.0.1:0"])
    assert program.stop() == 0
    assert calls(program) == [called(signal.SIGTERM, program.pid)]


def test_without_preload_each_worker_calls_its_own(program: Program) -> None:
    """There it is the workers that have loaded the application; what they serve is not cut by SIGTERM to all."""
    program.deploy(below="handlers.exits")
    options = ("-b", "127.0.0.1:0", "-w", "1", "--no-preload")
    program.start(*options, "app:app", command=[program.python, "-m", "hotswap", "run"])
    worker = int(program.get("/pid").body)
    with connect(program.address) as client:
        client.sendall(request("/gated/go"))
        wait_at(program, "go")
        mark = program.mark()
        program.send(signal.SIGTERM, worker)
        program.send(signal.SIGTERM)
        program.wait_for("draining", since=mark)
        open_gate(program, "go")
        assert read_answer(client).status == 200
    assert program.wait_status() == 0
    # The worker that took its place, if there was time for one, has a handler too.
    assert called(signal.SIGTERM, worker) in calls(program)
    assert all(line.startswith("handler of SIGTERM") for line in calls(program))


def test_under_gunicorns_arbiter(program: Program) -> None:
    """The same in `gunicorn -k hotswap.Worker`; gunicorn's own handlers are not the program's."""
    program.deploy(below="handlers.exits")
    gunicorn = Gunicorn(program).start()
    worker = int(gunicorn.get("/pid").body)
    with connect(gunicorn.address) as client:
        client.sendall(request("/gated/go"))
        wait_at(program, "go")
        program.send(signal.SIGTERM, gunicorn.pid)
        program.wait_for("Worker draining")
        open_gate(program, "go")
        assert read_answer(client).status == 200
    assert program.wait_status() == 0
    assert calls(program) == [called(signal.SIGTERM, worker)]
    program.deploy(below=[])
    before = program.mark()
    other = Gunicorn(program).start(wait=False)
    program.wait_for("Worker serving", since=before)
    program.send(signal.SIGTERM, other.pid)
    assert program.wait_status() == 0
    assert "own handler" not in program.text()[before:]
