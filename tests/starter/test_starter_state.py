"""What goes through the exec of a starter by another release: an older one writes less, a newer one more."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from hotswap.restart.handoff import PassedListener
from hotswap.starter import memory_file
from hotswap.starter.starter_state import Kept, KnownGeneration, StarterState

KEPT = Kept((PassedListener("tcp", 3, "i"),), (4, 5), 6, ("tried",))
STATE = StarterState(
    "/python",
    ("app.py",),
    "/srv",
    {"A": "b"},
    (7, 8),
    generation=9,
    held=KEPT,
    pending=(1,),
    why="a test",
    runs=2,
    known=(KnownGeneration(77, 9, "serving", True, 10, KEPT),),
)


def written(state: StarterState) -> list[Any]:
    """What is in the file."""
    fd = state.to_fd()
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd) as file:
        fields = json.load(file)
    assert isinstance(fields, list)
    return fields


@pytest.mark.parametrize("state", [STATE, STATE._replace(log_format="json")])
def test_the_same_release(state: StarterState) -> None:
    """All comes back."""
    assert StarterState.from_fd(state.to_fd()) == state


def test_an_older_release_reads_it() -> None:
    """It takes thirteen fields, no more."""
    assert len(written(STATE)) == 13
    assert written(STATE)[-1] is True


def test_a_newer_release_has_written_it() -> None:
    """What is not known is left alone."""
    fields = [*written(STATE._replace(log_format="json")), "new"]
    fields[6][0][0].append("new")
    fields[6].append("new")
    fields[11][0].append("new")
    assert StarterState.from_fd(memory_file.write("test", fields)) == STATE._replace(log_format="json")
