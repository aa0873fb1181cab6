"""Fixtures for tests with real processes: none outlives its test, and a failed test shows their logs."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import live as live_tests
from tests.harness import Program
from tests.processes import ProcessTree, adopt_orphans

_PROGRAMS = pytest.StashKey[list[Program]]()


@pytest.fixture(scope="session", autouse=True)
def _orphans_are_ours() -> None:
    adopt_orphans()


@pytest.fixture(scope="session", autouse=True)
def _signals_end() -> None:
    """Under nohup SIGHUP is ignored, in the background of a script SIGINT, and every program under test would inherit
    that."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def live() -> None:
    """Makes a test live: see tests/live.py. Of the session, so that every fixture can ask for it."""


@pytest.fixture
def process_tree(live: None) -> Iterator[ProcessTree]:
    """The processes that come from this test; those that are left when it ends are killed."""
    tree = ProcessTree()
    yield tree
    tree.end()


@pytest.fixture
def programs(request: pytest.FixtureRequest, process_tree: ProcessTree, tmp_path: Path) -> Callable[[str], Program]:
    """Makes programs, each in a folder of the given name."""
    made = request.node.stash.setdefault(_PROGRAMS, [])

    def make(name: str) -> Program:
        program = Program(tmp_path / name)
        made.append(program)
        return program

    return make


@pytest.fixture
def program(programs: Callable[[str], Program]) -> Program:
    """A program that has not been started yet."""
    return programs("program")


def pytest_configure() -> None:
    """From now on starting processes is watched. A generated example may take its time on a busy machine."""
    # Before that: gunicorn.config imports the package inotify if that is installed, and inotify.library starts ldconfig
    # (ctypes.util.find_library). Else the first test that imports the settings would be told that it starts a process.
    importlib.import_module("gunicorn.config")
    sys.addaudithook(live_tests.audit)
    settings.register_profile("hotswap", deadline=None)
    settings.load_profile("hotswap")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the live tests, for `-m live` and `-m "not live"`."""
    for item in items:
        if live_tests.is_live(item):
            item.add_marker("live")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Holds a test to what it says of itself, with its fixtures."""
    live_tests.hold(item)
    try:
        return (yield)
    finally:
        live_tests.hold(None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests that are marked with `needs` want a program that is not installed by pip."""
    for mark in item.iter_markers("needs"):
        command, package = mark.args
        if shutil.which(command) is None:
            text = f"{command} is not here: on Debian, apt-get install {package}"
            pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the logs of a failed test's programs to its report."""
    report = yield
    if report.failed:
        for program in item.stash.get(_PROGRAMS, []):
            report.sections.append((f"log of {program.folder.name}", program.shown()))
    return report
