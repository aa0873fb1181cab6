"""A systemd for each test of this folder, and a program that it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Program
from tests.processes import ProcessTree
from tests.systemd.namespaced import Systemd, skip_unless_possible
from tests.systemd.units import Service


@pytest.fixture
def systemd(process_tree: ProcessTree, tmp_path: Path) -> Iterator[Systemd]:
    """A systemd that has booted, whose log is shown if the test fails."""
    skip_unless_possible()
    systemd = Systemd(tmp_path / "systemd")
    systemd.boot()
    yield systemd
    systemd.end()
    print(systemd.text())  # noqa: T201  pytest shows it beside a failure


@pytest.fixture
def service(systemd: Systemd, program: Program) -> Service:
    """A program that has not been started yet, for that systemd to run."""
    return Service(systemd, program)
