"""A folder for the proxy of a test, whose log is shown if the test fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

SHOWN = 4000
"""Characters of a log."""


@pytest.fixture
def proxy_folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder."""
    folder = tmp_path / "proxy"
    folder.mkdir()
    yield folder
    for path in sorted(folder.glob("*log")):
        print(f"--- {path.name}\n{path.read_text()[-SHOWN:]}")  # noqa: T201  pytest shows it beside a failure
