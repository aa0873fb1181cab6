"""docs/commands.md has every field that `--json` prints, and no other: programs rely on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hotswap.cli.server_facts import (
    attempt_facts,
    failure_facts,
    generation_facts,
    process_facts,
    server_facts,
)
from hotswap.scoreboard import Attempt, Scoreboard, SlotView
from hotswap.scoreboard.tally import OF_GENERATION
from tests.harness import ROOT

PAGE = (ROOT / "docs" / "commands.md").read_text()
PROCESS = SlotView(0, 77, 1, "server", "serving", 1.0, 1.0, 77)
NOTHING = dict.fromkeys(OF_GENERATION, 0)
ATTEMPT = Attempt(1, 1, 2, outcome="failed")


def documented(heading: str) -> list[str]:
    """The names of the fields in the table below a heading, in its order."""
    section = PAGE.partition(f"\n#### {heading}\n")[2].partition("\n#")[0]
    return re.findall(r"(?m)^\| `(\w+)` \|", section)


@pytest.mark.parametrize(
    ("heading", "facts"),
    [
        ("A generation", generation_facts([PROCESS], lambda *_: NOTHING)[0]),
        ("A process", process_facts(PROCESS)),
        ("A restart", attempt_facts(ATTEMPT, [])),
        ("A failure", failure_facts(1, "no", [ATTEMPT])),
    ],
)
def test_fields(heading: str, facts: Mapping[str, Any]) -> None:
    """Each table has the fields of its object."""
    assert sorted(documented(heading)) == sorted(facts)


def test_fields_of_a_server(tmp_path: Path) -> None:
    """So has that of the server, in which they are."""
    board = Scoreboard.create(str(tmp_path), "shop")
    try:
        assert sorted(documented("A server")) == sorted(server_facts(board))
    finally:
        board.unlink()
        board.close()
