"""What the lane in C does with memory: it keeps none, and it stands that there is none left."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from hotswap.engine.http1 import response_head
from hotswap.engine.wsgi.plain_turn import CHOSEN
from tests.engine.answer_shapes import FORMS, Shape
from tests.engine.lane_turns import Turns
from tests.engine.test_both_lanes import PLAIN
from tests.no_memory import NoMemory, lets_allocations_fail

pytestmark = pytest.mark.skipif(CHOSEN.kind is None, reason="this run is on the lane in Python")

MANY = 2000  # requests
LEAKS = MANY // 2  # one that is leaked by every request would be MANY
MOST_ALLOCATIONS = 300  # more than a turn makes
#: Whose connection is closed behind each answer.
CLOSING = {"raises_between", "started_again_late", "raises_and_close_raises", "raises_and_close_raises_again"}


@pytest.fixture
def turns() -> Iterator[Turns]:
    """One for each test."""
    made = Turns()
    yield made
    made.end()


def blocks() -> int:
    gc.collect()
    return sys.getallocatedblocks()


def test_the_turns_are_turns_in_c(turns: Turns) -> None:
    """Or nothing below has to do with the lane."""
    assert turns.turn(PLAIN[0])
    assert b"hello" in turns.answer()
    assert turns.engine.debug_view().lane == "C"


@pytest.mark.parametrize("form", sorted(set(FORMS) - CLOSING))
def test_no_form_of_answer_leaks(turns: Turns, form: str) -> None:
    """Neither blocks of memory nor references to what every answer uses."""
    turns.shape = Shape("200 OK", [("Content-Length", "5"), ("X", "y")], (b"hello",), form)
    ask(turns, 100)
    shared = (b"", (), response_head.statuses["200 OK"], "X", None, "GET", "200 OK")
    before, references = blocks(), [sys.getrefcount(each) for each in shared]
    ask(turns, MANY)
    assert blocks() - before < LEAKS
    for each, then in zip(shared, references, strict=True):
        assert abs(sys.getrefcount(each) - then) < LEAKS, each


def ask(turns: Turns, times: int) -> None:
    """The same request so many times."""
    for _ in range(times):
        turns.log.records.clear()
        assert turns.turn(PLAIN[0])
        assert turns.answer()


@lets_allocations_fail
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("form", sorted(set(FORMS) - CLOSING))
def test_there_is_no_memory_left(form: str) -> None:
    """Whichever allocation fails: a connection that is live is the loop's again, and no thread seems to run for it."""
    failed = 0
    for start in range(MOST_ALLOCATIONS):
        turns = Turns()
        turns.shape = Shape("200 OK", [("X", "y")], (b"hello", b"more"), form)
        turns.turn(PLAIN[start % len(PLAIN)])
        if turns.alive:
            turns.answer()
            turns.turn(PLAIN[start % len(PLAIN)], around=NoMemory(start, start + 1 + start % 3))
            failed += not turns.answer()
        live = turns.conn in turns.table.state.live
        assert live == (turns.table.owned.get(turns.conn.fd) is turns.conn)
        assert turns.token.running() is None
        turns.end()
    assert failed
