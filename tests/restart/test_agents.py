"""Agents in front of the command start threads and open connections of their own: workers are forked all the same."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.commanding import hotswap
from tests.harness import APPS, ROOT, Program

RUN = ["-m", "hotswap", "run", "app:app", "-b", "127.0.0.1:0"]
WARNING = "workers are forked with what was there before the application was loaded ("


@pytest.fixture
def agent(program: Program) -> dict[str, str]:
    """A sitecustomize with a thread and a connection, by the environment that finds it."""
    (program.folder / "agent").mkdir()
    shutil.copy(APPS / "agents.py", program.folder / "agent" / "sitecustomize.py")
    return {"PYTHONPATH": f"{program.folder}/agent:{ROOT}"}


def assert_restarts(program: Program) -> None:
    """It serves, and so does the next generation."""
    assert program.get("/").headers["x-generation"] == "1"
    program.restart()
    program.settle()  # a worker of generation 1 may not have heard yet that it retires
    assert program.get("/").headers["x-generation"] == "2"


def command(program: Program, way: str) -> list[str]:
    """`serve()`, or `hotswap run`."""
    return [program.python, *(["app.py"] if way == "serve" else RUN)]


@pytest.mark.parametrize("way", ["serve", "run"])
def test_with_workers(program: Program, agent: dict[str, str], way: str) -> None:
    """Each generation says what it had before; the workers answer."""
    words = ["-w", "2"] if way == "run" else []
    program.start(*words, command=command(program, way), environ=agent, workers=2)
    assert_restarts(program)
    for generation in (1, 2):
        (line,) = [line for line in program.text().splitlines() if f"gen={generation} " in line and WARNING in line]
        assert "the thread 'exporter', a connection to 127.0.0.1:" in line
        assert "[WARNING]" in line


@pytest.mark.parametrize("way", ["serve", "run"])
def test_with_threads(program: Program, agent: dict[str, str], way: str) -> None:
    """Nothing is forked, and nothing is said."""
    program.start(command=command(program, way), environ=agent)
    assert_restarts(program)
    assert WARNING not in program.text()


@pytest.mark.parametrize("way", ["serve", "run"])
def test_what_loading_has_made(program: Program, agent: dict[str, str], way: str) -> None:
    """It still fails the start, which names it and not what the agent has made."""
    program.start("-w", "2", command=command(program, way), environ=agent, workers=2)
    program.deploy(below="loading.thread")
    done = hotswap(program, "restart", str(program.serving_pid))
    assert done.returncode == 1
    assert "cannot fork workers: the thread 'poller' was started before the fork: " in done.stderr


def test_a_program_that_makes_it_above_the_import(program: Program) -> None:
    """Without an agent, what is there when hotswap is imported is the program's."""
    program.start(workers=2, above=("boots.imports", "tests.apps.agents"), ready=False)
    assert program.wait_status() == 1
    assert "cannot fork workers: the thread 'exporter' was started, a connection to 127.0.0.1:" in program.text()


# --- the real ones


def path_of(name: str) -> str:
    """A command of the tests' environment."""
    found = Path(sys.executable).with_name(name)
    if not found.exists():
        pytest.skip(f"{name} is not installed: make installs it")
    return str(found)


@pytest.mark.parametrize("words", [(), ("-w", "2")])
def test_opentelemetry_instrument(program: Program, words: Sequence[str]) -> None:
    """It executes the command with a sitecustomize, whose exporter has a thread."""
    program.start(
        *words,
        command=[path_of("opentelemetry-instrument"), program.python, *RUN],
        environ={"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"},
    )
    assert_restarts(program)
    assert program.text().count(f"{WARNING}the thread 'OtelBatchSpanRecordProcessor')") == (2 if words else 0)


@pytest.mark.parametrize("words", [(), ("-w", "2")])
def test_ddtrace_run(program: Program, words: Sequence[str]) -> None:
    """Its threads are not Python's, and it knows of forks."""
    program.start(
        *words,
        command=[path_of("ddtrace-run"), program.python, *RUN],
        environ={"DD_TRACE_ENABLED": "false", "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false"},
    )
    assert_restarts(program)
