"""Engines for tests: each is stopped when its test ends, and a logged exception nobody expected fails the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.engine.rig import App, Rig


@pytest.fixture
def rig() -> Iterator[Callable[..., Rig]]:
    """Makes running engines: `rig(app, settings={...}, limit=value)`."""
    made: list[Rig] = []

    def make(app: App, **options: Any) -> Rig:
        made.append(Rig(app, **options))
        return made[-1].start()

    yield make
    for one in made:
        one.end()
