"""When a generation has too many errors: the bound against known values, the rules one by one, and how seldom chance
alone is enough."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotswap.lifecycle.error_share import LEAST_ANSWERS, Answers, has_too_many_errors, in_words, lower_bound
from hotswap.serving.recent_answers import RecentAnswers

NOTHING = Answers()
counts = st.integers(min_value=0, max_value=10**6)


@st.composite
def answers(draw: st.DrawFn) -> Answers:
    """Any number of answers, any of them errors."""
    total = draw(counts)
    return Answers(total, draw(st.integers(min_value=0, max_value=total)))


@pytest.mark.parametrize(
    ("errors", "total", "bound"),
    [
        # Wilson's interval without continuity correction: R.G. Newcombe, Statistics in Medicine 17 (1998), table I.
        (81, 263, 0.2553),
        (15, 148, 0.0624),
        (0, 20, 0.0),
        (1, 29, 0.0061),
    ],
)
def test_the_bound(errors: int, total: int, bound: float) -> None:
    """As others have calculated it."""
    assert lower_bound(Answers(total, errors)) == pytest.approx(bound, abs=0.00006)


@given(answers())
def test_the_bound_is_below_the_share(seen: Answers) -> None:
    """And never out of range, whatever the figures are."""
    assert 0.0 <= lower_bound(seen) <= seen.share + 1e-12
    assert seen.share <= 1.0


@given(answers(), st.integers(min_value=2, max_value=100))
def test_more_of_the_same_makes_it_surer(seen: Answers, times: int) -> None:
    """With the same share the bound only grows."""
    assert lower_bound(Answers(seen.total * times, seen.errors * times)) >= lower_bound(seen) - 1e-12


@pytest.mark.parametrize(
    ("limit", "total", "errors", "before", "expected"),
    [
        # All of few answers say nothing.
        (0.05, LEAST_ANSWERS - 1, LEAST_ANSWERS - 1, NOTHING, False),
        (0.05, LEAST_ANSWERS, LEAST_ANSWERS, NOTHING, True),
        # One in five.
        (0.05, 50, 10, NOTHING, True),
        (0.05, 1000, 200, Answers(1000, 0), True),
        # As many as before, and hardly more.
        (0.05, 1000, 200, Answers(1000, 200), False),
        (0.05, 1000, 200, Answers(1000, 101), False),
        (0.05, 1000, 200, Answers(1000, 100), True),
        # Over the limit, but not for sure; then for sure.
        (0.05, 50, 5, NOTHING, False),
        (0.05, 1000, 60, NOTHING, False),
        (0.05, 1000, 70, NOTHING, True),
        # On the limit, however many.
        (0.05, 10**6, 50_000, NOTHING, False),
        # A predecessor that has answered nothing, and one that could do nothing but fail.
        (0.05, 100, 50, Answers(0, 0), True),
        (0.05, 100, 100, Answers(10, 10), False),
        (0.05, 100, 100, Answers(10, 5), True),
        # No limit.
        (0.0, 100, 100, NOTHING, False),
    ],
)
def test_the_rules(limit: float, total: int, errors: int, before: Answers, expected: bool) -> None:
    """Each of the three, on both sides of its edge."""
    assert has_too_many_errors(limit, Answers(total, errors), before) is expected


@given(st.floats(min_value=0.001, max_value=0.999), answers(), answers())
def test_it_takes_all_three(limit: float, now: Answers, before: Answers) -> None:
    """Whatever the figures are: never with few answers, below the limit, or with less than twice the share before."""
    if has_too_many_errors(limit, now, before):
        assert now.total >= LEAST_ANSWERS
        assert now.share > limit
        assert now.share >= 2 * before.share


@given(st.floats(min_value=0.001, max_value=0.5), answers(), answers())
def test_another_error_never_makes_it_better(limit: float, now: Answers, before: Answers) -> None:
    """What is too much stays too much when the next answer is an error, too."""
    if has_too_many_errors(limit, now, before):
        assert has_too_many_errors(limit, Answers(now.total + 1, now.errors + 1), before)


@pytest.mark.parametrize("true_share", [0.0, 0.01, 0.04, 0.2])
def test_a_version_as_good_as_its_predecessor_is_hardly_ever_taken_back(true_share: float) -> None:
    """Asked after every tenth answer, 100 times: at most one in forty."""
    chance = random.Random(7)
    taken_back = 0
    for _ in range(300):
        before = Answers(500, sum(chance.random() < true_share for _ in range(500)))
        errors = list(itertools.accumulate(chance.random() < true_share for _ in range(1000)))
        seen = (Answers(total, errors[total - 1]) for total in range(10, 1001, 10))
        taken_back += any(has_too_many_errors(0.05, now, before) for now in seen)
    assert taken_back <= 300 / 40


def test_a_bad_version_is_seen_soon() -> None:
    """One error in five, after a few dozen answers at most."""
    chance = random.Random(7)
    for _ in range(100):
        errors = list(itertools.accumulate(chance.random() < 0.2 for _ in range(400)))
        assert any(has_too_many_errors(0.05, Answers(total, errors[total - 1]), NOTHING) for total in range(50, 401))


def test_in_words() -> None:
    """For people: what was seen, and what is allowed."""
    words = in_words(0.05, Answers(60, 12), Answers(1000, 1))
    assert "12 of its 60 answers were server errors (20.0%" in words
    assert "probation_max_errors is 5.0%" in words
    assert "1 of 1000 (0.1%)" in words
    assert "had answered nothing" in in_words(0.05, Answers(60, 12), NOTHING)


class Clock:
    """Sums and a time that the test sets."""

    def __init__(self) -> None:
        self.now, self.sum = 0.0, Answers()
        self.recent = RecentAnswers(lambda: self.sum, lambda: self.now)

    def second(self, total: int, errors: int) -> None:
        """One more second, with so many answers."""
        self.now += 1
        self.sum = Answers(self.sum.total + total, self.sum.errors + errors)
        self.recent.note()


def test_the_last_minute() -> None:
    """What was before it is forgotten, to ten seconds; until there has been a minute, all counts."""
    clock = Clock()
    assert clock.recent.lately() == Answers()
    clock.recent.note()
    for _ in range(30):
        clock.second(10, 5)
    assert clock.recent.lately() == Answers(300, 150)
    for _ in range(200):
        clock.second(10, 0)
    lately = clock.recent.lately()
    assert lately.errors == 0
    assert 600 <= lately.total <= 700
