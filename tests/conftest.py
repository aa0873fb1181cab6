"""Fixtures for tests with real processes: none outlives its test, and a failed test shows their logs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.harness import Program
from tests.processes import Brood, adopt_orphans

_PROGRAMS = pytest.StashKey[list[Program]]()


@pytest.fixture(scope="session", autouse=True)
def _orphans_are_ours() -> None:
    adopt_orphans()


@pytest.fixture
def brood() -> Iterator[Brood]:
    """The processes that come from this test; those that are left when it ends are killed."""
    brood = Brood()
    yield brood
    brood.end()


@pytest.fixture
def programs(request: pytest.FixtureRequest, brood: Brood, tmp_path: Path) -> Callable[[str], Program]:
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
