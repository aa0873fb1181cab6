"""What `hotswap restart` says, and shows on a terminal: the parts of it that need no process."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from hotswap.cli import restart_words
from hotswap.cli.hand_over import HandOver, Left
from hotswap.cli.progress_bar import BLOCKS, LETTERS, bar, marks_for
from hotswap.cli.restart_outcome import Outcome, Verdict
from hotswap.cli.restart_words import Conclusion, as_json, left, stage_line, under_way, who_serves
from hotswap.cli.stage_times import StageTime, StageTimes
from hotswap.scoreboard import Attempt, SlotView
from tests.harness import ROOT


def view(pid: int, generation: int, state: str = "serving", **counters: Any) -> SlotView:
    """A process on the board."""
    return SlotView(pid, pid, generation, "server", state, 0.0, 0.0, pid, **counters)


def test_stages() -> None:
    """A stage lasts from when it is seen first to when the next one is; seen again, it goes on."""
    times = StageTimes()
    assert times.enter("starting", 0.25) is None
    assert times.enter("starting", 0.5) is None
    assert times.lasted(1.0) == 0.75
    assert times.enter("importing", 1.25) == StageTime("starting", 1.0)
    assert times.end(3.25) == StageTime("importing", 2.0)
    assert times.end(4.0) is None
    assert times.lasted(9.0) == 0.0
    assert times.ended == [StageTime("starting", 1.0), StageTime("importing", 2.0)]


def test_lines_of_stages() -> None:
    """Times stand below each other; of what goes on, tenths of a second."""
    assert stage_line(StageTime("importing", 12.345)) == "  12.35 s  importing"
    assert stage_line(StageTime("starting", 0.004)) == "   0.00 s  starting"
    assert under_way(12.345, "importing") == "  12.3  s  importing …"


@pytest.mark.parametrize(
    ("done", "total", "drawn"),
    [
        (0, 0, "####"),
        (0, 3, "----"),
        (1, 2, "##--"),
        (999, 1000, "###-"),
        (3, 3, "####"),
        (5, 3, "####"),
    ],
)
def test_bar(done: int, total: int, drawn: str) -> None:
    """It is full when all is done, and not before."""
    assert bar(done, total, 4, LETTERS) == drawn


@pytest.mark.parametrize(("encoding", "marks"), [("utf-8", BLOCKS), ("ascii", LETTERS), ("latin-1", LETTERS)])
def test_marks(encoding: str, marks: tuple[str, str]) -> None:
    """Blocks where the output can show them."""
    assert marks_for(io.TextIOWrapper(io.BytesIO(), encoding=encoding)) == marks


def test_hand_over() -> None:
    """What the processes that were there have sent since, and still have; that of others does not count."""
    before = [
        view(1, 4, handed_over=100, connections=8),
        view(2, 4, connections=4, handed_over=7),
        view(3, 3, "retiring", connections=2, in_flight=2),
    ]
    hand_over = HandOver(before)
    assert hand_over.look(before, 5) == Left(0, 12, 0, is_over=False)
    old = [view(1, 4, "retiring", handed_over=106, connections=2, in_flight=1), view(2, 4, "retiring", handed_over=11)]
    others = [view(3, 3, "retiring", connections=2, in_flight=2), view(9, 5, connections=10, adopted=10)]
    assert hand_over.look([*old, *others], 5) == Left(10, 2, 1, is_over=False)
    # What is gone has taken its counters along.
    assert hand_over.look([view(2, 4, "retiring", handed_over=11), *others], 5) == Left(10, 0, 0, is_over=True)
    assert hand_over.is_unsure
    assert hand_over.look(others, 5) == Left(10, 0, 0, is_over=True)
    got = view(9, 5, connections=12, adopted=12)
    assert hand_over.look([got], 5) == Left(12, 0, 0, is_over=True), "the new generation has written it down"


def test_workers_that_send_connections_to_each_other() -> None:
    """They have not moved to the new generation by that."""
    hand_over = HandOver([view(1, 1, handed_over=9, adopted=2), view(2, 1, adopted=9)])
    shared = [view(1, 1, handed_over=14, adopted=2, connections=1), view(2, 1, adopted=14, connections=6)]
    assert hand_over.look(shared, 2) == Left(0, 7, 0, is_over=False)
    gone = [view(1, 1, "retiring", handed_over=15, adopted=2), view(2, 1, "retiring", handed_over=6, adopted=14)]
    assert hand_over.look(gone, 2) == Left(7, 0, 0, is_over=True)


def test_an_idle_predecessor_has_to_leave_first() -> None:
    """Without a connection it may still accept one, as long as it serves."""
    hand_over = HandOver([view(1, 1)])
    assert not hand_over.look([view(1, 1, "handing-over")], 2).is_over
    assert hand_over.look([view(1, 1, "retiring")], 2).is_over


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (Left(0, 0, 0, True), "0 connections moved"),
        (Left(1, 0, 0, True), "1 connection moved"),
        (Left(400, 3, 0, False), "400 of 403 connections moved"),
        (Left(400, 3, 1, False), "400 of 403 connections moved, 1 request still runs"),
        (Left(400, 3, 3, False), "400 of 403 connections moved, 3 requests still run"),
    ],
)
def test_left(what: Left, words: str) -> None:
    """In words for people."""
    assert left(what) == words


NEW = Attempt(3, 1, 2, stage="importing", outcome="ok", pid=77, generation=4)


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (Outcome(Verdict.FAILED, NEW), "the restart failed after 0.50 s"),
        (Outcome(Verdict.ORPHANED, NEW), "pid 7 ended while its successor was booting"),
        (Outcome(Verdict.PASSED_ON), "pid 7 ended before it began the restart"),
        (Outcome(Verdict.STOPPING), "pid 7 was stopped before it began the restart"),
    ],
)
def test_failures(outcome: Outcome, sentence: str) -> None:
    """Each has a sentence of its own."""
    assert restart_words.failure(outcome, 7, 0.5) == sentence


@pytest.mark.parametrize("outcome", [Outcome(Verdict.WAITING), Outcome(Verdict.RUNNING, NEW)])
def test_not_waited_for(outcome: Outcome) -> None:
    """The sentence tells how far it was."""
    sentence = restart_words.failure(outcome, 7, 0.5)
    assert sentence.startswith("not waited for any longer than 0.50 s, the restart goes on (")
    assert restart_words.step(outcome, 7) in sentence


def test_who_serves() -> None:
    """The youngest, or none."""
    assert who_serves([view(9, 5), view(1, 4)]) == "generation 5 (pid 9) serves"
    assert who_serves([]) == "no process serves"


def test_json_of_a_success() -> None:
    """What was started, what serves, and what has moved."""
    conclusion = Conclusion(0, "succeeded", "generation 4 (pid 77) serves", Outcome(Verdict.SUCCEEDED, NEW))
    facts = as_json("shop", conclusion, 0.12345, view(77, 4), [StageTime("importing", 0.1)], Left(5, 1, 1, False))
    assert facts == {
        "server": "shop",
        "outcome": "succeeded",
        "message": "generation 4 (pid 77) serves",
        "took": 0.123,
        "attempt": 3,
        "generation": 4,
        "pid": 77,
        "serving": {"generation": 4, "pid": 77},
        "stages": [{"stage": "importing", "took": 0.1}],
        "error": None,
        "moved": 5,
        "connections_left": 1,
        "requests_left": 1,
    }


def test_json_of_a_restart_that_never_began() -> None:
    """What is not known is null; the fields are the same."""
    facts = as_json("shop", Conclusion(1, "stopping", "pid 7 was stopped"), 0.1)
    known = {name for name, value in facts.items() if value is not None}
    assert known == {"server", "outcome", "message", "took", "stages"}


def documented(heading: str) -> list[str]:
    """The first column of the table below a heading of the page."""
    section = (ROOT / "docs" / "commands.md").read_text().partition(f"\n#### {heading}\n")[2].partition("\n#")[0]
    return re.findall(r"(?m)^\| `([\w-]+)` \|", section)


def test_json_is_documented() -> None:
    """docs/commands.md has every field, and every word that `outcome` can be."""
    assert sorted(documented("The object of a restart")) == sorted(as_json("", Conclusion(0, "", ""), 0.0))
    words = {
        *(verdict.value for verdict in Verdict if verdict not in (Verdict.WAITING, Verdict.RUNNING)),
        *(restart_words.SIGNALLED, restart_words.TIMEOUT, restart_words.INTERRUPTED, restart_words.NO_SERVER),
    }
    assert set(documented("How a restart can go")) == words
