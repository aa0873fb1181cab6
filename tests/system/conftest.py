"""Fixtures for tests with listening sockets and their files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswap.scoreboard import Scoreboard
from hotswap.system.addresses import parse
from hotswap.system.listeners import Listener, bind
from tests.system.listening import Bind


@pytest.fixture
def listen() -> Iterator[Bind]:
    """`bind` by text; closes what it made."""
    made: list[Listener] = []

    def listen_at(text: str, **options: object) -> Listener:
        made.append(bind(parse(text), text, backlog=8, **options))  # type: ignore[arg-type]
        return made[-1]

    yield listen_at
    for listener in made:
        listener.close()


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A short directory that every user can enter (pytest's own are private, and long for a unix socket)."""
    with tempfile.TemporaryDirectory(prefix="ls") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Scoreboard]:
    """A new one, of this process."""
    made = Scoreboard.create(str(tmp_path), "127.0.0.1:5000")
    yield made
    made.close()
